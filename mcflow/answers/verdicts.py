"""Does theory hold? Every statistic that theory predicts, tested against what was measured, and a verdict per case."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow import markup, quantities
from mcflow.answers import crew
from mcflow.answers.allowances import Prediction, Sayings
from mcflow.answers.judging import rows_of_case, rows_of_missing
from mcflow.answers.subject import Subject
from mcflow.answers.verdict_rows import COUNTED, NO_P, RULED, Row
from mcflow.bounds import share
from mcflow.errors import InputError, option
from mcflow.files.missing import Missing, has_every_cosine, no_networks, without_networks
from mcflow.files.missing import sentence as sentence_of_missing
from mcflow.files.result import require_result
from mcflow.files.schema import FORMAT_VERSION
from mcflow.model.case import Case
from mcflow.plural import counted
from mcflow.statistics import hypotheses
from mcflow.theory import stack

if TYPE_CHECKING:
    from mcflow.files.result import Result

ALPHA, MARGIN = 0.01, 0.01
MOST_NAMED = 1e15  # networks: a larger number says no more than that
GAIN_ERRORS = (0.01, 0.001)  # relative errors of the gain whose visibility is told


@dataclass(frozen=True)
class Verdict:
    """What was found of one case. ``breaks`` is the first layer, if any, in which a quantity disagrees."""

    case: str
    consistent: bool
    sentence: str
    breaks: dict[str, int]
    equal: str
    networks_for_gain: dict[float, float]
    warnings: tuple[str, ...]

    @property
    def word(self) -> str:
        """The verdict in one word; ``not judged`` where no test could be made."""
        if not self.consistent:
            return "INCONSISTENT"
        return "consistent" if self.sentence.startswith("consistent") else "not judged"

    @property
    def lines(self) -> list[str]:
        """What the sentence rests on: equality, how many networks would show a wrong gain, warnings."""
        wrong = [
            f"a gain wrong by {100 * wrong:g} % would show at about {max(2, math.ceil(networks))} networks"
            for wrong, networks in self.networks_for_gain.items()
            if math.isfinite(networks)
        ]
        return [self.equal, *wrong, *self.warnings]

    def __repr__(self) -> str:
        """What a prompt shows: the sentence, and what it rests on."""
        return "\n  ".join([f"{self.case}: {self.sentence}", *self.lines])

    def _repr_html_(self) -> str:
        """What a notebook shows: the sentence, and what it rests on."""
        return f"<p><strong>{markup.text(f'{self.case}: {self.sentence}')}</strong></p>{markup.lines(self.lines)}"


@dataclass(frozen=True)
class Verification:
    """Every row, a verdict per case, and ``consistent``: case -> bool."""

    tests: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    alpha: float
    margin: float
    tier: str | None
    notes: tuple[str, ...] = field(default=())

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A record of each test."""
        return [row.record() for row in self.tests]

    @property
    def consistent(self) -> dict[str, bool]:
        """Case -> whether nothing of it was rejected and no network lacks a number."""
        return {verdict.case: verdict.consistent for verdict in self.verdicts}

    @property
    def all_consistent(self) -> bool:
        """Whether every case is consistent."""
        return all(self.consistent.values())

    @property
    def sentence(self) -> str:
        """How many cases are consistent, by how many tests, at which chance of a false alarm."""
        passed, tests = sum(self.consistent.values()), sum(row.judged for row in self.tests)
        return (
            f"{passed} of {counted(len(self.verdicts), 'case')} consistent; {counted(tests, 'test')}, "
            f"alpha {self.alpha:g} over all (Holm)"
        )

    def _table(self) -> tuple[str, tuple[str, ...], list[list[str]]]:
        """Title, head and a row for each case."""
        rows = []
        for verdict in self.verdicts:
            breaks = ", ".join(f"{quantity} in layer {layer}" for quantity, layer in verdict.breaks.items())
            rows.append([verdict.case, verdict.word, verdict.sentence, breaks])
        return self.sentence, ("case", "verdict", "why", "first layer that disagrees"), rows

    def __repr__(self) -> str:
        """What a prompt shows: the same as a notebook, as plain text."""
        return "\n".join([markup.in_terminal(*self._table()), *self.notes])

    def _repr_html_(self) -> str:
        """What a notebook shows: a line for each case, and the sentence over all of them."""
        return markup.in_notebook(*self._table(), words=4) + markup.lines(self.notes)

    def record(self) -> dict[str, Any]:
        """All of it as plain data."""
        verdicts = []
        for verdict in self.verdicts:
            plain = asdict(verdict)
            needed = verdict.networks_for_gain
            plain["networks_for_gain"] = {f"{k:g}": v if math.isfinite(v) else None for k, v in needed.items()}
            verdicts.append(plain)
        settings = {"alpha": self.alpha, "margin": self.margin, "tier": self.tier or "highest"}
        return {
            "consistent": self.all_consistent,
            **settings,
            "notes": list(self.notes),
            "cases": verdicts,
            "rows": self.rows,
        }


def verify(
    result: Result, alpha: float = ALPHA, tier: str | None = None, margin: float = MARGIN, note: str = ""
) -> Verification:
    """Judge every case of a study against theory, for the study's own inputs.

    Holm's correction holds the probability of any false alarm in the file under ``alpha``. ``tier`` None takes the
    highest tier in every layer and forgives an approximation its expected error; a named tier is judged alone, as if
    it were exact. ``margin`` is the relative difference that counts as equal. Raises InputError for one network only,
    or a number out of range.
    """
    require_result(result, "verify")
    subject = Subject(result)
    with crew.hired(subject):
        return judge(subject, alpha, tier, margin, note)


def judge(
    subject: Subject, alpha: float = ALPHA, tier: str | None = None, margin: float = MARGIN, note: str = ""
) -> Verification:
    """As ``verify``, of a study that others look at too."""
    alpha, margin = share("alpha", alpha), share("margin", margin)
    empty = without_networks(subject)
    if empty:
        raise InputError(no_networks(empty))
    for name in subject.names:
        done = subject.networks_done[name]
        if done < 2:
            raise InputError(
                f"{name} has {counted(done, 'network')}: there is no standard error to judge by; "
                f"run at least 2, better 1000 ({option('resume', True)} and {option('networks', 1000)})"
            )
    groups: dict[str, list[str]] = {}  # what cases of one activation need is computed once
    for name in subject.names:
        groups.setdefault(subject.case(name).activation, []).append(name)
    rows_of: dict[str, list[Row]] = {}
    predictions: dict[str, Prediction] = {}
    for found in crew.answers(subject, judged, [(tuple(names), tier) for names in groups.values()]):
        for name, (mine, without_stack) in found.items():
            rows_of[name] = mine
            predictions[name] = without_stack.beside(stack.of_case(subject.case(name), subject.inputs(name)))
            subject.learn(name, tier, predictions[name])
    rows = [row for name in subject.names for row in rows_of[name]]
    adjusted = hypotheses.holm(np.array([np.nan if row.p is None else row.p for row in rows]))
    rows = [
        replace(row, p_adjusted=None if math.isnan(p) else float(p), rejected=bool(p < alpha))
        for row, p in zip(rows, adjusted.tolist(), strict=True)
    ]
    rows = [_with_equivalence(row, margin) for row in rows]
    level = alpha / max(1, sum(row.judged for row in rows))
    verdicts = []
    for name in subject.names:
        mine = [row for row in rows if row.case == name]
        needed = _networks_for_gain(subject.case(name), subject.inputs(name), mine, level)
        verdicts.append(_verdict(name, mine, predictions[name], margin, needed))
    return Verification(tuple(rows), tuple(verdicts), alpha, margin, tier, (note,) if note else ())


def judged(subject: Subject, names: Sequence[str], tier: str | None) -> dict[str, tuple[list[Row], Sayings]]:
    """Name -> the tests of a case, each by itself, and what theory said of it."""
    # shares of units had another definition in it, and values beyond float64 no logarithms
    is_earlier = str(getattr(subject, "attrs", {}).get("format_version", FORMAT_VERSION)) == "1.0"
    whole = tier in (None, "exact", "exact-law")
    out = {}
    for name in names:
        dataset, prediction = subject[name], subject.prediction(name, tier)
        subject.tell(f"judging {name}")
        cosines = has_every_cosine(subject.case(name).nonlinearity, subject.inputs(name))
        rows = list(rows_of_missing(name, dataset, cosines))
        rows += rows_of_case(name, dataset, prediction, whole, whole and not is_earlier)
        out[name] = rows, prediction.sayings
    return out


def _with_equivalence(row: Row, margin: float) -> Row:
    """Equality within the margin, of means and, where they are ruled by a few networks, of geometric means."""
    if not quantities.get(row.quantity).is_second_moment or row.statistic not in ("mean", "log_mean"):
        return row
    if row.statistic == "mean" and (row.why == RULED or row.predicted <= 0 or not math.isfinite(row.predicted)):
        return row
    scale = row.predicted if row.statistic == "mean" else 1.0
    difference, error = (row.measured - row.predicted) / scale, row.standard_error / scale
    if not (math.isfinite(difference) and math.isfinite(error)):
        return row
    shown = bool(hypotheses.equal_within(np.array(difference), np.array(error), margin))
    needed = float(hypotheses.networks_to_show(np.array(error), np.array(float(row.networks)), margin))
    return replace(row, equal=shown, networks_needed=needed)


def _networks_for_gain(case: Case, inputs: Any, rows: list[Row], level: float) -> dict[float, float]:
    """relative error of the gain -> about how many networks find it, by the row that sees it best."""
    from mcflow.theory.infinite_width import trajectory

    rows = [row for row in rows if row.judged and row.statistic in ("mean", "log_mean") and row.allowance == 0]
    rows = [row for row in rows if quantities.get(row.quantity).is_second_moment]
    if not rows:
        return {}
    out = {}
    plain = trajectory.second_moments(case, inputs)
    for wrong in GAIN_ERRORS:
        other = trajectory.second_moments(replace(case, gain=case.numeric_gain * (1.0 + wrong)), inputs)
        best = math.inf
        for row in rows:
            name = f"{row.quantity}_log10"
            shift = math.log(10.0) * float(other[name][row.layer - 1] - plain[name][row.layer - 1])
            if row.statistic == "mean":
                shift = row.predicted * math.expm1(min(shift, 600.0))
            error, count = np.array(row.standard_error), np.array(float(row.networks))
            best = min(best, float(hypotheses.networks_to_find(np.array(shift), error, count, level)))
        out[wrong] = best
    return out


def _verdict(
    name: str, rows: list[Row], prediction: Prediction, margin: float, networks_for_gain: dict[float, float]
) -> Verdict:
    lacking = [row for row in rows if row.statistic == COUNTED]
    judged = [row for row in rows if row.judged and row.statistic != COUNTED]
    rejected = [row for row in judged if row.rejected]
    breaks: dict[str, int] = {}
    for row in [*lacking, *rejected]:
        breaks[row.quantity] = min(breaks.get(row.quantity, row.layer), row.layer)
    if not rows:
        sentence = "no prediction: nothing to judge"
    elif rejected:
        sentence = "inconsistent: " + _failures(judged, rejected)
    elif lacking:
        sentence = "inconsistent: networks without a number"
    elif not judged:
        sentence = f"nothing could be judged: {rows[0].why}"
    else:
        sentence = f"consistent with theory: {counted(len(judged), 'test')}, {_tiers(judged)}"
    if lacking:
        found = [Missing(row.quantity, row.networks - int(row.measured), row.networks, row.layer) for row in lacking]
        sentence += f"; {sentence_of_missing(found)}"
    return Verdict(
        name, not (rejected or lacking), sentence, breaks, _equality(rows, margin), networks_for_gain,
        tuple(_warnings(rows, prediction)),
    )  # fmt: skip


def _tiers(judged: list[Row]) -> str:
    tiers = list(dict.fromkeys(row.tier for row in judged))
    return f"tier{'s' * (len(tiers) > 1)} {', '.join(tiers)}"


def _failures(judged: list[Row], rejected: list[Row]) -> str:
    worst = min(rejected, key=lambda row: (row.p or 0.0, -abs(row.z or 0.0)))
    size = "" if worst.z is None else f", z = {worst.z:.1f}"
    size += "" if worst.relative_difference is None else f", {100 * worst.relative_difference:+.2g} %"
    fail = "fails" if len(rejected) == 1 else "fail"
    first = min(row.layer for row in rejected)
    return (
        f"{len(rejected)} of {counted(len(judged), 'test')} {fail}; first in layer {first}, "
        f"clearest {worst.quantity} ({worst.statistic}) of layer {worst.layer}{size}"
    )


def _equality(rows: list[Row], margin: float) -> str:
    known = [row for row in rows if row.equal is not None]
    # a quantity's mean, or its geometric mean where a few networks rule the mean
    by_place = {(row.quantity, row.layer): row for row in sorted(known, key=lambda row: row.statistic, reverse=True)}
    known = list(by_place.values())
    if not known:
        return f"equal within {100 * margin:g} %: nothing to show it with"
    shown = sum(bool(row.equal) for row in known)
    if shown == len(known):
        every = "the one second moment" if shown == 1 else f"all {shown} second moments"
        return f"equal within {100 * margin:g} %: shown for {every}"
    needed = max(row.networks_needed or 0.0 for row in known)
    return (
        f"equal within {100 * margin:g} %: shown for {shown} of {len(known)} moments at this number of networks; "
        f"needs {_rounded(needed)} networks if theory is right"
    )


def _rounded(count: float) -> str:
    if not math.isfinite(count):
        return "infinitely many"
    if count > MOST_NAMED:
        return f"more than 10^{math.log10(MOST_NAMED):.0f}"
    digits = max(0, math.floor(math.log10(max(count, 1.0))) - 1)
    return "about " + f"{math.ceil(count / 10**digits) * 10**digits:,}".replace(",", " ")


def _warnings(rows: list[Row], prediction: Prediction) -> Iterable[str]:
    ruled = [row for row in rows if row.why == RULED]
    if ruled:
        worst = min(ruled, key=lambda row: row.effective_networks or math.inf)
        logs = {(row.quantity, row.layer) for row in rows if row.statistic == "log_mean" and row.judged}
        rest = [row for row in ruled if (row.quantity, row.layer) not in logs]
        how = "judged by logarithms" if not rest else f"judged by logarithms, {len(rest)} of them not at all"
        effective = (
            ""
            if worst.effective_networks is None
            else (
                f" ({worst.quantity} of layer {worst.layer}: {worst.effective_networks:.3g} effective of "
                f"{counted(worst.networks, 'network')})"
            )
        )
        verb = "is" if len(ruled) == 1 else "are"
        yield f"{counted(len(ruled), 'mean')} {verb} ruled by a few networks{effective}: {how}"
    soft = [row for row in rows if row.judged and row.allowance > 0]
    if soft:
        worst = max(soft, key=lambda row: row.allowance / max(abs(row.predicted), 1e-300))
        share = worst.allowance / abs(worst.predicted) if worst.predicted else math.nan
        size = f"{100 * share:.2g} %" if math.isfinite(share) and share < 1 else f"{worst.allowance:.2g}"
        tiers = ", ".join(sorted({row.tier for row in soft}))
        verb = "is" if len(soft) == 1 else "are"
        yield (
            f"{counted(len(soft), 'prediction')} {verb} approximate ({tiers}): differences "
            f"up to their expected error are forgiven, at most {size} ({worst.quantity} of layer {worst.layer})"
        )
    untrusted = [row for row in rows if "trusted" in row.why]
    if untrusted:
        names = ", ".join(dict.fromkeys(row.quantity for row in untrusted))
        verb = "is" if len(untrusted) == 1 else "are"
        yield (
            f"{counted(len(untrusted), 'prediction')} {verb} not judged, for no tier is to be trusted there: {names}"
        )
    silent = [row for row in rows if row.why == NO_P]
    if silent:
        first = min(silent, key=lambda row: row.layer)
        yield (
            f"{counted(len(silent), 'statistic')} gave no p value and could not be judged, first {first.quantity} "
            f"({first.statistic}) of layer {first.layer}"
        )
    yield from (f"left out of the prediction: {clause}" for clause in prediction.left_out)
