"""Which scheme keeps the signal flowing: growth per layer, paired over networks, and the rules of thumb."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from mcflow import markup
from mcflow.activations import registry
from mcflow.answers.document import plain
from mcflow.answers.signal import BACKWARD, FORWARD, HELD
from mcflow.answers.subject import Subject
from mcflow.errors import InputError
from mcflow.files import kept_rows
from mcflow.files.missing import no_networks, without_networks
from mcflow.files.result import Result, require_result
from mcflow.model.study import Study
from mcflow.plural import counted
from mcflow.statistics import magnitudes

if TYPE_CHECKING:
    import xarray

Floats = NDArray[np.float64]

Z95 = 1.959963984540054  # half width of a 95 % interval in standard errors
# largest finite number and smallest normal one: below, digits are lost, and hardware may flush to 0
FORMATS = {
    "float32": (3.4028235e38, 1.1754944e-38),
    "float16": (65504.0, 6.1035156e-05),
    "bfloat16": (3.3895314e38, 1.1754944e-38),
}
TITLES = {"xavier": "Xavier", "kaiming": "Kaiming", "lecun": "LeCun"}


@dataclass(frozen=True)
class Growth:
    """A factor per layer with its 95 % interval, of the typical network (geometric mean), and over all ``layers``.

    ``overall_log10`` is the decimal logarithm of the latter, which may leave float64. ``reaches`` tells at which depth
    the typical size leaves a number format, and how; None where it never does.
    """

    per_layer: float
    low: float
    high: float
    overall: float
    overall_log10: float
    layers: int
    reaches: dict[str, tuple[float, str] | None]

    @property
    def kept(self) -> bool:
        """Whether the typical size changes, over all layers, by less than what training repairs."""
        return abs(self.overall_log10) <= math.log10(HELD)


@dataclass(frozen=True)
class Entry:
    """One case in the ranking of its activation; ``behind`` is the paired loss in score to the first, with interval.

    ``score`` is the larger of |log factor per layer| forward and backward: 0 keeps both. ``dead`` is the share of
    networks whose activations are all 0 at the end, ``inactive`` and ``saturated`` shares of units there.
    ``file`` is where a case comes from of which another file has the name too, else empty.
    """

    case: str
    scheme: str
    activation: str
    activations: Growth
    gradients: Growth | None
    score: float
    dead: float
    inactive: float
    saturated: float
    correlation: tuple[float, float] | None
    behind: tuple[float, float, float] | None = None
    file: str = ""

    @property
    def label(self) -> str:
        """The case, and its file where that tells it from another."""
        return f"{self.case} ({self.file})" if self.file else self.case

    def __repr__(self) -> str:
        growth = f"activations {_interval(self.activations)}"
        growth += f", gradients {_interval(self.gradients)}" if self.gradients is not None else ""
        return f"<mcflow entry {self.label}: factor per layer of {growth}>"

    @property
    def sentence(self) -> str:
        """How it stands to the first of its ranking, in percent a layer."""
        if self.behind is None:
            return "not paired with it"
        mean, low, high = (100 * math.expm1(max(-50.0, min(50.0, value))) for value in self.behind)
        sure = "as good" if low <= 0.0 <= high else "worse" if low > 0 else "better"
        return f"{sure}, {mean:+.3g} % a layer, paired 95 % interval {low:+.3g} to {high:+.3g} %"


@dataclass(frozen=True)
class Rule:
    """A rule of thumb judged by one case: ``holds``, ``holds forward only``, ``holds backward only`` or ``fails``."""

    rule: str
    case: str
    verdict: str
    number: str
    file: str = ""

    @property
    def sentence(self) -> str:
        """The rule, the file where more than one can judge it by a case of that name, the verdict and the numbers."""
        return f"{self.rule}{f' ({self.file})' if self.file else ''}: {self.verdict} ({self.number})"


@dataclass(frozen=True)
class Comparison:
    """Rankings by activation, best first, and the rules of thumb that the study can judge."""

    rankings: dict[str, list[Entry]]
    rules: list[Rule]
    notes: list[str]

    def sentences(self, activation: str) -> list[str]:
        """The best case of an activation, and how the others stand to it."""
        first, *others = self.rankings[activation]
        rate = f"{first.label}, at most {100 * math.expm1(min(first.score, 50.0)):.3g} % a layer"
        keeps = first.activations.kept and (first.gradients is None or first.gradients.kept)
        best = f"best: {rate}" if keeps else f"none keeps the signal; the least bad: {rate}"
        return [best, *(f"  {entry.label}: {entry.sentence}" for entry in others)]

    def _tables(self) -> Iterator[tuple[str, tuple[str, ...], list[list[str]]]]:
        """Title, head and rows of each activation's ranking."""
        head = ("case", "activations, factor per layer", "gradients, factor per layer", "dead", "beside the first")
        for activation, entries in self.rankings.items():
            rows = [
                [entry.label, *(_interval(each) for each in (entry.activations, entry.gradients)),
                 f"{100 * entry.dead:.3g} %", "" if number == 0 else entry.sentence]
                for number, entry in enumerate(entries)
            ]  # fmt: skip
            yield f"{activation}: best first", head, rows

    @property
    def _closing(self) -> list[str]:
        return [*(rule.sentence for rule in self.rules), *self.notes]

    def __repr__(self) -> str:
        """What a prompt shows: the same as a notebook, as plain text."""
        return "\n".join([*(markup.in_terminal(*table) for table in self._tables()), *self._closing])

    def _repr_html_(self) -> str:
        """What a notebook shows: a ranking for each activation, the rules of thumb, notes."""
        return "".join(markup.in_notebook(*table) for table in self._tables()) + markup.lines(self._closing)

    def record(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "rankings": {key: [plain(asdict(entry)) for entry in value] for key, value in self.rankings.items()},
            "rules": [asdict(rule) for rule in self.rules],
            "notes": self.notes,
        }


def compare(results: Result | Iterable[Result], notes: Sequence[str] = ()) -> Comparison:
    """Which scheme keeps activations and gradients flowing: the cases of one result, or of several, ranked.

    A ranking for each activation, best first, by the factor per layer of the typical network's second moments, with
    95 % intervals. Two cases are paired, network by network, where rows were kept and they share a seed; intervals of
    their difference are then those of the mean paired difference. A case whose name stands in two results is shown
    with its file. ``notes`` are passed on. Raises InputError where nothing can be compared: one network, one layer, no
    second moments.
    """
    if isinstance(results, (str, Path, Result, Study)) or not isinstance(results, Iterable):
        results = cast("list[Result]", [results])
    results = list(results)
    for result in results:
        require_result(result, "compare")
    return rank([Subject(result) for result in results], notes)


def rank(subjects: Iterable[Subject], notes: Sequence[str] = ()) -> Comparison:
    """As ``compare``, of studies that others look at too."""
    subjects = list(subjects)
    entries: dict[str, list[tuple[Entry, Floats | None, Any]]] = {}
    names = Counter(name for subject in subjects for name in subject.names)
    notes = list(notes)
    for subject, file in zip(subjects, _files(subjects), strict=True):
        empty = without_networks(subject)
        notes += [f"left out: {no_networks(empty)}"] if empty else []
        for name in subject.names:
            dataset, case = subject[name], subject.case(name)
            if f"{FORWARD}_mean" not in dataset or name in empty:
                continue
            if int(dataset.attrs["networks_done"]) < 2:
                raise InputError(f"{name} has one network: no interval can be given; run at least 2, better 1000")
            if dataset.sizes["layer"] < 2:
                raise InputError(f"{name} has one layer: nothing flows; give a depth of at least 2")
            entry, scores = _entry(name, case.scheme, case.activation, dataset)
            entry = replace(entry, file=file if names[name] > 1 else "")
            key = (int(subject.attrs["seed"]), dataset.sizes["layer"])
            entries.setdefault(case.activation, []).append((entry, scores, key))
    if not entries:
        lacking = [name for subject in subjects for name in without_networks(subject)]
        raise InputError(no_networks(lacking) if lacking else "no case with second moments of activations to compare")
    rankings = {activation: _ranked(found) for activation, found in entries.items()}
    rules = [rule for ranking in rankings.values() for entry in ranking for rule in _rules(entry)]
    return Comparison(rankings, rules, notes)


def _files(subjects: Sequence[Subject]) -> list[str]:
    """What tells results apart: their files, or their places where they have none, or one."""
    paths = [getattr(subject, "path", None) for subject in subjects]
    return [
        f"result {place}" if path is None or paths.count(path) > 1 else str(path)
        for place, path in enumerate(paths, start=1)
    ]


def _entry(name: str, scheme: str, activation: str, dataset: xarray.Dataset) -> tuple[Entry, Floats | None]:
    forward, forward_slopes = _growth(dataset, FORWARD, backwards=False)
    backward, backward_slopes = (
        _growth(dataset, BACKWARD, backwards=True) if f"{BACKWARD}_mean" in dataset else (None, None)
    )
    rates = [forward.per_layer, *([backward.per_layer] if backward else [])]
    sizes = [abs(math.log(rate)) if 0 < rate < math.inf else math.inf for rate in rates]
    worst = int(np.argmax(sizes))
    slopes = (forward_slopes, backward_slopes)[worst]
    last = lambda what: float(dataset[what].values[-1]) if what in dataset else math.nan  # noqa: E731
    correlation = None
    if "preactivation_correlation_mean" in dataset:
        cosines = dataset["preactivation_correlation_mean"].values
        correlation = (float(cosines[0]), float(cosines[-1]))
    entry = Entry(
        name,
        scheme,
        activation,
        forward,
        backward,
        max(sizes),
        last(f"{FORWARD}_zero_fraction"),
        1.0 - last("active_fraction_mean"),
        last("saturated_fraction_mean"),
        correlation,
    )
    sign = 1.0 if rates[worst] >= 1.0 else -1.0
    return entry, None if slopes is None else sign * slopes


def _growth(dataset: xarray.Dataset, quantity: str, backwards: bool) -> tuple[Growth, Floats | None]:
    """Growth of a second moment in the direction in which the signal goes, and each network's slope of its log."""
    logs = dataset[f"{quantity}_log_mean"].values.astype(np.float64)
    spread, count = dataset[f"{quantity}_log_std"].values, dataset[f"{quantity}_count"].values
    start, end = (-1, 0) if backwards else (0, -1)
    steps = len(logs) - 1
    slopes: Floats | None = None
    if quantity in dataset:
        last, first = (_of_networks(dataset, quantity, layer) for layer in (end, start))
        slopes = (last - first) / steps
        alive = slopes[np.isfinite(slopes)]
        if len(alive) > 1:
            slope, error = float(alive.mean()), float(alive.std(ddof=1) / math.sqrt(len(alive)))
        else:
            slope = error = math.nan
    else:  # rows were not kept: both ends' errors, as if independent
        slope = float(logs[end] - logs[start]) / steps
        error = float(np.hypot(spread[end], spread[start]) / math.sqrt(max(1, int(count[end])))) / steps
    if math.isnan(slope):
        slope = -math.inf if not math.isfinite(float(logs[end])) else math.nan
        error = 0.0
    per_layer, low, high = (_exp(slope + shift * Z95 * error) for shift in (0.0, -1.0, 1.0))
    begin = 0.5 * float(logs[start])  # of the root mean square
    reaches = {kind: _reach(begin, 0.5 * slope, *limits) for kind, limits in FORMATS.items()}
    return Growth(per_layer, low, high, _exp(slope * steps), slope * steps / math.log(10.0), steps + 1, reaches), slopes


def _of_networks(dataset: xarray.Dataset, quantity: str, layer: int) -> Floats:
    """(network,) natural logarithms in one layer."""
    place = layer % dataset.sizes["layer"]
    return kept_rows.natural_logarithms(dataset, quantity, slice(place, place + 1))[:, 0]


def _interval(growth: Growth | None) -> str:
    return "" if growth is None else f"{growth.per_layer:.4g} [{growth.low:.4g}, {growth.high:.4g}]"


def _exp(x: float) -> float:
    return math.exp(x) if x < 700.0 else math.inf


def _reach(start: float, slope: float, largest: float, smallest: float) -> tuple[float, str] | None:
    """The layer at which a root mean square, log start + layers slope, leaves a format; None where it stays."""
    if not math.isfinite(start) or not math.isfinite(slope):
        return (1.0, "underflow") if slope == -math.inf else None
    limit, how = (math.log(largest), "overflow") if slope > 0 else (math.log(smallest), "underflow")
    if abs(slope) < 1e-12:
        return None
    layers = 1.0 + max(0.0, (limit - start) / slope)
    return (layers, how) if layers < 1e6 else None


def _ranked(found: list[tuple[Entry, Floats | None, Any]]) -> list[Entry]:
    found = sorted(found, key=lambda item: (item[0].score, item[0].label))
    first, first_slopes, first_key = found[0]
    out = [first]
    for entry, slopes, key in found[1:]:
        behind = None
        if slopes is not None and first_slopes is not None and key == first_key:
            size = min(len(slopes), len(first_slopes))
            difference = slopes[:size] - first_slopes[:size]  # the same networks' random numbers in both
            difference = difference[np.isfinite(difference)]
            if len(difference) > 1:
                mean, half = float(difference.mean()), Z95 * float(difference.std(ddof=1)) / math.sqrt(len(difference))
                behind = (mean, mean - half, mean + half)
        out.append(replace(entry, behind=behind))
    return out


def _rules(entry: Entry) -> list[Rule]:
    family = entry.scheme.partition("_")[0]
    activation = registry.builtin(entry.activation)
    if activation is None or family not in TITLES or activation.usual_scheme != family:
        return []
    rule = f"{TITLES[family]} for {entry.activation}"
    layers = entry.activations.layers
    number = f"activations x {magnitudes.power_of_ten(entry.activations.overall_log10, 3)}"
    forward, backward = entry.activations.kept, entry.gradients is None or entry.gradients.kept
    if entry.gradients is not None:
        number += f", gradients x {magnitudes.power_of_ten(entry.gradients.overall_log10, 3)}"
    number += f" over {counted(layers, 'layer')}"
    words = {(True, True): "holds", (True, False): "holds forward only", (False, True): "holds backward only"}
    return [Rule(rule, entry.case, words.get((forward, backward), "fails"), number, entry.file)]
