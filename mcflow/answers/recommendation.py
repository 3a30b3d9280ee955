"""The scheme and gain to use for an activation: critical gains by theory, a fresh simulation, and code that does it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mcflow import markup
from mcflow.activations.given import Given, resolve
from mcflow.activations.registry import Activation
from mcflow.answers import frameworks
from mcflow.answers.document import plain
from mcflow.answers.signal import BACKWARD, FORWARD
from mcflow.bounds import whole_number
from mcflow.errors import InputError
from mcflow.mean_field import critical, variance_map
from mcflow.model.case import MAX_DEPTH, Case
from mcflow.model.study import MAX_NETWORKS, Study
from mcflow.plural import counted
from mcflow.statistics import magnitudes
from mcflow.theory import stability
from mcflow.theory.infinite_width import trajectory

DEPTH, WIDTH, NETWORKS = 50, 256, 200
HOPELESS = 4.0  # decades by which a second moment changes, and nothing more need be known
COLUMNS = ("initialisation", "sigma_w^2", "bias std", "activations x", "gradients d", "trainable depth")
BASELINES = ("xavier_normal", "kaiming_normal", "lecun_normal", "torch_default", "keras_default")


@dataclass(frozen=True)
class Candidate:
    """An initialisation of ``sigma_w2`` = fan_in Var W and bias standard deviation, and what becomes of a signal.

    ``predicted`` and ``measured`` are factors of the second moment of activations and of gradients over DEPTH layers
    (measured: geometric means over networks), and ``_log10`` their decimal logarithms, which are right where a factor
    leaves float64; 0 and -inf where the signal dies in most networks.
    ``score`` is the larger |log10| of the two predicted. ``trainable_depth`` in layers is six depth scales at the fixed
    point where the signal ends, None where it ends at none.
    """

    name: str
    scheme: str
    gain: float
    sigma_w2: float
    bias_std: float
    predicted: dict[str, float]
    score: float
    trainable_depth: float | None
    where: str
    predicted_log10: dict[str, float]
    measured: dict[str, float] = field(default_factory=dict)
    measured_log10: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        kinds, of = {FORWARD: "activations", BACKWARD: "gradients"}, self.predicted_log10
        factors = ", ".join(f"{kinds[kind]} x {magnitudes.power_of_ten(d, 3)}" for kind, d in of.items())
        bias = f", bias std {self.bias_std:.4g}" if self.bias_std else ""
        return f"<mcflow candidate {self.name}: {self.scheme}, gain {self.gain:.6g}{bias}; predicted {factors}>"

    def words(self, quantity: str) -> tuple[str, str]:
        """The predicted and the measured factor of a quantity, as numbers of any size."""
        return (
            magnitudes.power_of_ten(self.predicted_log10[quantity], 3),
            magnitudes.power_of_ten(self.measured_log10[quantity], 3),
        )


@dataclass(frozen=True)
class Recommendation:
    """What to use (``best``), why, what else there is, and how to say it to each framework.

    ``best`` is None where no scheme keeps the activation over ``depth`` layers: the first reason then says what to do.
    """

    activation: str
    best: Candidate | None
    candidates: tuple[Candidate, ...]
    reasons: tuple[str, ...]
    code: dict[str, str]
    depth: int
    width: int
    networks: int

    @property
    def sentence(self) -> str:
        """The weights to draw and what mcflow, here and on the command line, calls them."""
        best = self.best
        if best is None:
            return f"{self.activation}: no scheme keeps it over {counted(self.depth, 'layer')}"
        bias = f"biases of standard deviation {best.bias_std:.4g}" if best.bias_std else "zero biases"
        flag = f" --bias-std {best.bias_std:.4g}" if best.bias_std else ""
        return (
            f"{self.activation}: weights of standard deviation {best.sigma_w2**0.5:.6g} / sqrt(fan_in), {bias} "
            f"({best.name}; in mcflow: --scheme {best.scheme} --gain {best.gain:.6g}{flag})"
        )

    @property
    def title(self) -> str:
        """What the factors of the candidates are."""
        over, by = counted(self.depth, "layer"), counted(self.networks, "network")
        return f"factor over {over}: predicted, measured at width {self.width} ({by})"

    def rows(self) -> list[list[str]]:
        """The cells of each candidate, under COLUMNS."""
        found = []
        for item in self.candidates:
            cells = [", ".join(item.words(kind)) for kind in (FORWARD, BACKWARD)]
            depth = "none" if item.trainable_depth is None else f"{item.trainable_depth:.3g}"
            found.append([item.name, f"{item.sigma_w2:.5g}", f"{item.bias_std:.3g}", *cells, depth])
        return found

    def __repr__(self) -> str:
        """What a prompt shows: the same as a notebook, as plain text."""
        code = (f"{framework}: {line}" for framework, line in self.code.items())
        reasons = (f"  {reason}" for reason in self.reasons)
        return "\n".join([self.sentence, *reasons, markup.in_terminal(self.title, COLUMNS, self.rows()), *code])

    def _repr_html_(self) -> str:
        """What a notebook shows: what to use, why, every candidate, and the line of code for each framework."""
        code = [f"{framework}: {line}" for framework, line in self.code.items()]
        return (
            f"<p><strong>{markup.text(self.sentence)}</strong></p>{markup.lines(self.reasons)}"
            + markup.in_notebook(self.title, COLUMNS, self.rows())
            + f"<pre>{markup.text(chr(10).join(code))}</pre>"
        )

    def record(self) -> dict[str, Any]:
        """The same as plain data; what is not a finite number is None."""
        return {key: plain(value) for key, value in asdict(self).items()}


def recommend(activation: Given, depth: int = DEPTH, width: int = WIDTH, networks: int = NETWORKS) -> Recommendation:
    """The scheme, gain and bias to use for an activation in square layers, with evidence and the code for it.

    ``activation`` is a name, ``module:phi,dphi``, a function or a pair (phi, dphi). All candidates are predicted and
    simulated with ``networks`` networks of that ``width``; the one whose activations and gradients change least over
    ``depth`` layers, in the worst of the four numbers, is taken, unless that is four decades or more. Raises InputError
    for what is no activation, or a number out of range.
    """
    depth, width = whole_number("depth", depth, 2, MAX_DEPTH), whole_number("width", width, 1)
    networks = whole_number("networks", networks, 2, MAX_NETWORKS)
    phi = resolve(activation)
    cases, reasons = _cases(phi, depth, width)
    found = []
    for name, case in cases.items():
        try:
            found.append(_judge(name, case))
        except InputError as error:
            reasons.append(f"{name}: {error}")
    if not found:
        raise InputError(f"nothing can be recommended for {phi.name!r}: {reasons[-1]}")
    measured = _simulate({candidate.name: cases[candidate.name] for candidate in found}, networks)
    found = [_with_measured(item, measured[item.name]) for item in found]
    # where scores tie, a textbook name says the same
    found.sort(key=lambda item: (round(_loss(item), 3), item.name not in BASELINES, item.bias_std > 0))
    best = found[0]
    reasons = [*_reasons(phi, best, found, depth), *reasons]
    if _loss(best) >= HOPELESS:
        reasons = [*_refusal(phi, best), *reasons]
        code = frameworks.code_of_normalisation(stability.normalised_scale(phi)[0])
        return Recommendation(phi.name, None, tuple(found), tuple(reasons), code, depth, width, networks)
    code = frameworks.code(phi, best.sigma_w2, best.bias_std**2)
    return Recommendation(phi.name, best, tuple(found), tuple(reasons), code, depth, width, networks)


def _cases(phi: Activation, depth: int, width: int) -> tuple[dict[str, Case], list[str]]:
    cases = {name: Case(name, phi.name, depth=depth, width=width) for name in BASELINES}
    reasons: list[str] = []
    for name, of in (("forward-critical", "forward"), ("gradient-critical", "gradient")):
        try:
            gain = critical.critical_gain(phi, of)
        except InputError as error:
            reasons.append(str(error))
            continue
        cases[name] = Case("lecun_normal", phi.name, depth=depth, width=width, gain=gain)
    for number, point in enumerate(_points(critical.half_stable, phi)):
        name = "edge of chaos, half-stable" + (f" {number + 1}" if number else "")
        cases[name] = Case(
            "lecun_normal", phi.name, depth=depth, width=width, gain=point.sigma_w, bias_std=point.sigma_b
        )
    if "edge of chaos, half-stable" in cases or phi.negative_slope is not None:
        return cases, reasons
    for bias in (0.05, 0.2):
        reached = [point for point in _edge(phi, bias) if 0 < point.q < 1e3]
        if reached:
            case = Case("lecun_normal", phi.name, depth=depth, width=width, gain=reached[0].sigma_w, bias_std=bias)
            cases[f"edge of chaos, bias {bias:g}"] = case
    return cases, reasons


def _edge(phi: Activation, bias: float) -> list[critical.CriticalPair]:
    return _points(lambda each: critical.edge_of_chaos(each, bias * bias), phi)


def _points(of: Callable[[Activation], Any], phi: Activation) -> list[critical.CriticalPair]:
    try:
        return list(of(phi))
    except InputError:
        return []


def _judge(name: str, case: Case) -> Candidate:
    flow = trajectory.propagate(case)
    forward = flow[f"{FORWARD}_log10"]
    backward = flow[f"{BACKWARD}_log10"]
    changes = {FORWARD: float(forward[-1] - forward[0]), BACKWARD: float(backward[0] - backward[-1])}
    program = case.program_for(case.widths[0])
    sigma_w2 = float(program.weight_std[-1] ** 2 * program.fan_in[-1])
    bias = float(program.bias_std[-1])
    worst = max(abs(change) for change in changes.values())
    trainable, where = None, "not followed to its fixed point"
    if case.nonlinearity.is_builtin or worst < HOPELESS:  # of a user's function the correlation map takes seconds
        trainable, where = _trainable(case.nonlinearity, sigma_w2, bias)
    predicted = {quantity: _factor(change) for quantity, change in changes.items()}
    return Candidate(name, case.scheme, case.numeric_gain, sigma_w2, bias, predicted, worst, trainable, where, changes)


def _with_measured(item: Candidate, decades: dict[str, float]) -> Candidate:
    factors = {quantity: _factor(change) for quantity, change in decades.items()}
    return replace(item, measured=factors, measured_log10=decades)


def _trainable(phi: Activation, sigma_w2: float, bias: float) -> tuple[float | None, str]:
    """Trainable depth at the fixed point that the signal goes to, and that point in words."""
    try:
        points = critical.fixed_points(phi, sigma_w2, bias * bias)
    except InputError as error:
        return None, str(error)
    if not points:
        return None, points.sentence
    if phi.negative_slope is not None:
        point = points[0]
    else:
        q = variance_map.limit(phi, sigma_w2, bias * bias, sigma_w2 + bias * bias)
        if not math.isfinite(q):
            return None, "no fixed point is reached: q grows without end"
        point = min(points, key=lambda each: abs(each.q - q))
    xi = min(point.xi_c, critical.depth_scale(point.chi_1))
    words = f"q* = {point.q:.4g}, chi_1 = {point.chi_1:.4f}, c* = {point.c:.3f}, depth scale {_layers(xi)}"
    return None if math.isnan(point.trainable_depth) else point.trainable_depth, words


def _factor(decades: float) -> float:
    """Ten to the power of ``decades``; 0 and infinity beyond 300, near the ends of float64."""
    if abs(decades) > 300.0:
        return math.inf if decades > 0 else 0.0
    return 10.0**decades


def _layers(count: float) -> str:
    return "infinite" if math.isinf(count) else f"{count:.3g} layers"


def _simulate(cases: dict[str, Case], networks: int) -> dict[str, dict[str, float]]:
    """Decimal logarithms of the geometric means over networks of the factors that theory predicts."""
    from mcflow.running.run import run

    unique = list(dict.fromkeys(cases.values()))
    result = run(Study(tuple(unique), networks=networks), method="auto")
    groups = dict(zip(unique, result.names, strict=True))
    out = {}
    for name, case in cases.items():
        dataset = result[groups[case]]
        factors = {}
        for quantity, (start, end) in {FORWARD: (0, -1), BACKWARD: (-1, 0)}.items():
            logs = dataset[f"{quantity}_log_mean"].values  # over the living networks: those in which it is positive
            dead = dataset[f"{quantity}_zero_fraction"].values
            if max(dead[start], dead[end]) > 0.5:
                factors[quantity] = -math.inf
            else:
                whole = math.isfinite(logs[start]) and math.isfinite(logs[end])
                factors[quantity] = float(logs[end] - logs[start]) / math.log(10.0) if whole else math.inf
        out[name] = factors
    result.close()
    return out


def _refusal(phi: Activation, least: Candidate) -> list[str]:
    """Why none of the candidates is recommended, and what to use instead."""
    lines = [stability.advice(phi)]
    try:
        slope = stability.elasticity(phi, critical.critical_gain(phi, "forward") ** 2)
    except InputError:
        slope = math.nan
    if slope > 1.0 + stability.MARGINAL:
        lines.append(
            f"unstable: where the forward-critical gain keeps E x^2 = 1 the variance map has slope {slope:.4g} > 1: a "
            f"deviation of 1 % is multiplied by {slope:.4g} in every layer"
        )
    return [*lines, f"the least bad of what was tried is {least.name}:"]


def _loss(item: Candidate) -> float:
    """Decades by which a second moment changes, the worse of theory's two and of the simulation's two."""
    return max(item.score, *(abs(decades) for decades in item.measured_log10.values()))


def _reasons(phi: Activation, best: Candidate, found: list[Candidate], depth: int) -> list[str]:
    lines = [
        f"over {counted(depth, 'layer')} the second moment of activations changes by a factor "
        f"{best.words(FORWARD)[0]}, of "
        f"gradients by {best.words(BACKWARD)[0]} (theory); {best.words(FORWARD)[1]} and "
        f"{best.words(BACKWARD)[1]} in the typical simulated network"
    ]
    gains = {item.name: item for item in found if item.name in ("forward-critical", "gradient-critical")}
    for name, item in gains.items():
        lines.append(f"{name} gain {item.gain:.6g} (sigma_w^2 = {item.sigma_w2:.6g}): {item.where}")
    if len(gains) == 2 and abs(gains["forward-critical"].gain - gains["gradient-critical"].gain) > 1e-3:
        lines.append("no gain keeps both: the one keeps activations, the other gradients")
    depth_words = "none" if best.trainable_depth is None else _layers(best.trainable_depth)
    lines.append(f"trainable depth: {depth_words} ({best.where})")
    if phi.derivative_by_difference:
        lines.append("the derivative of phi was taken by central differences")
    return lines
