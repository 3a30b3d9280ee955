"""Results as they would be if something were wrong: simulated by plain NumPy, or planted into right rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mcflow import Case, Study, run, verify
from mcflow.answers.verdicts import Verification
from mcflow.quantities import ALL, get
from mcflow.statistics import summaries

CHUNK = 500  # networks that are propagated at once
Rows = dict[str, np.ndarray[Any, Any]]
# those with a size
BACKWARD = [quantity.name for quantity in ALL if quantity.passes == "backward" and quantity.has_size]


@dataclass
class World:
    """The rows (network, layer) by quantity and the counts (layer, bin) of a case, as a result that can be judged."""

    case: Case
    given: np.ndarray[Any, Any]
    dataset: Any
    rows: Rows
    counts: Rows = field(default_factory=dict)

    names = ("case",)

    def __getitem__(self, name: str) -> Any:
        found: dict[str, Any] = {name: (("network", "layer"), rows) for name, rows in self.rows.items()}
        for quantity, rows in self.rows.items():
            for statistic, of in summaries.describe(summaries.accumulate(rows, False)).items():
                found[f"{quantity}_{statistic}"] = ("layer", of)
        found |= {f"{kind}_histogram": (("layer", "bin"), counts) for kind, counts in self.counts.items()}
        return self.dataset.assign(found)

    def inputs(self, name: str) -> Any:
        return self.given

    def judged(self) -> Verification:
        """What verify says of these rows for the case they are said to be of."""
        judge: Any = Judged(self)
        return verify(judge)


class Judged:
    """A world in the shape of a result."""

    path = None  # in memory

    def __init__(self, world: World) -> None:
        self.world, self.names = world, ["case"]
        self.networks_done = {"case": int(world["case"].attrs["networks_done"])}

    def __getitem__(self, name: str) -> Any:
        return self.world[name]

    def case(self, name: str) -> Case:
        return self.world.case

    def inputs(self, name: str) -> Any:
        return self.world.given


def right(case: Case, networks: int, seed: int, said: Case | None = None) -> World:
    """Rows as mcflow simulates ``case``, said to be of another one."""
    method = "collapsed" if case.rule.distribution.is_rotation_invariant else "direct"
    with run(Study([case], networks=networks, seed=seed), method=method, threads=1) as result:
        name = result.names[0]
        dataset = result[name].load()
        rows = {key: dataset[key].values.copy() for key in dataset if dataset[key].dims == ("network", "layer")}
        counts = {kind: dataset[f"{kind}_histogram"].values.copy() for kind in ("preactivation", "gradient")}
        return World(said or case, np.array(result.inputs(name), dtype=np.float64), dataset, rows, counts)


@dataclass(frozen=True)
class Fault:
    """What a NumPy simulation does differently."""

    weights: str = "normal"
    output: str = "normal"  # v: normal, signs, ones (d_L without phi') or no derivative
    fresh_backward: bool = False
    shared: int | None = None  # this layer, from 0, takes the weights of the one before
    derivative: bool = True


def simulated(case: Case, networks: int, seed: int, fault: Fault) -> World:
    """Rows of real weight matrices, made wrong; the inputs and the bins are those of a right study."""
    world = right(case, networks, seed)
    rng = np.random.default_rng(seed)
    parts = [_propagate(world, case, min(CHUNK, networks - start), rng, fault) for start in range(0, networks, CHUNK)]
    world.rows = {name: np.concatenate([part[0][name] for part in parts]) for name in parts[0][0]}
    world.counts = {kind: np.sum([part[1][kind] for part in parts], axis=0) for kind in parts[0][1]}
    return world


def _propagate(world: World, case: Case, count: int, rng: np.random.Generator, fault: Fault) -> tuple[Rows, Rows]:
    x0 = world.given
    layers = case.program_for(x0.shape[1])
    activation, depth, batch = case.nonlinearity, len(layers.width), len(x0)
    x = np.broadcast_to(x0.T, (count, x0.shape[1], batch))
    weights, hs, xs = [], [], [x]
    for k in range(depth):
        shape = (count, int(layers.width[k]), int(layers.fan_in[k]))
        w = _drawn(rng, shape, fault.weights) * layers.weight_std[k] if fault.shared != k else weights[-1]
        b = rng.standard_normal((count, shape[1], 1)) * layers.bias_std[k]
        weights.append(w)
        hs.append(w @ xs[-1] + b)
        xs.append(activation.phi(hs[-1]))
    v = rng.standard_normal(hs[-1].shape) if fault.output == "normal" else rng.choice([-1.0, 1.0], hs[-1].shape)
    d = [activation.dphi(hs[-1]) * v if fault.derivative else v]
    for k in range(depth - 1, 0, -1):
        w = weights[k]
        if fault.fresh_backward:
            w = _drawn(rng, w.shape, fault.weights) * layers.weight_std[k]
        d.insert(0, activation.dphi(hs[k - 1]) * (w.transpose(0, 2, 1) @ d[0]))
    rows = _rows(activation, hs, xs, d)
    edges = {kind: world.dataset[f"{kind}_edges"].values for kind in ("preactivation", "gradient")}
    counts = {
        kind: np.array([np.histogram(of[k], edges[kind][k])[0] for k in range(depth)])
        for kind, of in (("preactivation", hs), ("gradient", d))
    }
    return rows, counts


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], law: str) -> Any:
    if law == "uniform":
        return rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), shape)
    return rng.standard_normal(shape)


def _rows(activation: Any, hs: list[Any], xs: list[Any], d: list[Any]) -> Rows:
    def mean(values: list[Any]) -> Any:
        return np.stack([value.mean(axis=(1, 2)) for value in values], axis=1)

    slopes = [activation.dphi(h) for h in hs]
    rows = {
        "preactivation_mean": mean(hs),
        "preactivation_second_moment": mean([h**2 for h in hs]),
        "preactivation_fourth_moment": mean([h**4 for h in hs]),
        "activation_mean": mean(xs[1:]),
        "activation_second_moment": mean([x**2 for x in xs[1:]]),
        "activation_absolute_mean": mean([np.abs(x) for x in xs[1:]]),
        "participation_ratio": mean([x**2 for x in xs[1:]]) ** 2 / mean([x**4 for x in xs[1:]]),
        "active_fraction": mean([s != 0 for s in slopes]),
        "saturated_fraction": mean([np.abs(s) < 0.01 * activation.dphi_max for s in slopes]),
        "gradient_second_moment": mean([g**2 for g in d]),
        "weight_gradient_second_moment": np.stack(
            [((g**2).mean(axis=1) * (x**2).mean(axis=1)).mean(axis=1) for g, x in zip(d, xs[:-1], strict=True)], axis=1
        ),
    }
    if hs[0].shape[2] == 2:
        rows["preactivation_correlation"], rows["gradient_correlation"] = _cosines(hs), _cosines(d)
    return rows


def _cosines(of: list[Any]) -> np.ndarray[Any, Any]:
    """(network, layer) cosines of two inputs."""
    found = [(h[:, :, 0] * h[:, :, 1]).sum(axis=1) / np.sqrt((h**2).sum(axis=1).prod(axis=1)) for h in of]
    return np.stack(found, axis=1)


Maker = Callable[[Case, int, int], World]


def _as(change: Callable[[Case], Case]) -> Maker:
    """Networks of another case under this one's name."""
    return lambda case, networks, seed: right(change(case), networks, seed, said=case)


def _with(fault: Fault) -> Maker:
    return lambda case, networks, seed: simulated(case, networks, seed, fault)


def _planted(change: Callable[[World], object]) -> Maker:
    """Right rows, changed afterwards."""

    def make(case: Case, networks: int, seed: int) -> World:
        world = right(case, networks, seed)
        change(world)
        return world

    return make


def _each(change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> Maker:
    return _planted(lambda world: world.rows.update({name: change(rows) for name, rows in world.rows.items()}))


def _uniform(case: Case) -> Case:
    return replace(case, scheme=case.scheme.replace("normal", "uniform"))


def _other_biases(case: Case) -> Case:
    return replace(case, bias_std=0.0 if case.bias_std else 0.1)


def _dead(world: World) -> None:
    few = np.arange(0, len(world.rows["activation_second_moment"]), 200)
    for name, rows in world.rows.items():
        if name in BACKWARD:
            rows[few] = 0.0
        elif get(name).has_size:
            rows[few[:, None], np.arange(4, rows.shape[1])] = 0.0
    world.rows["activation_second_moment"][few, 3] = 0.0


def _swapped_layers(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    order = np.arange(rows.shape[1])
    order[[3, 4]] = 4, 3
    return rows[:, order]


def _repeated_layer(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return rows[:, np.where(np.arange(rows.shape[1]) == 4, 3, np.arange(rows.shape[1]))]


def _cosine(world: World) -> None:
    rows = world.rows.get("preactivation_correlation")
    if rows is not None:
        rows[:, 3] = np.minimum(rows[:, 3] + 0.05, 1.0)


def _other_histogram(case: Case, networks: int, seed: int) -> World:
    world = right(case, networks, seed)
    world.counts = right(replace(case, gain=1.1 * case.numeric_gain), networks, seed).counts
    return world


def _outlier(world: World) -> None:
    for name in BACKWARD:
        world.rows[name][17] *= 1e6


def _drift(case: Case, networks: int, seed: int) -> World:
    """The gain grows by 1 % over ten stretches of networks, and is right on average."""
    stretches = [
        right(replace(case, gain=case.numeric_gain * (0.995 + 0.01 * (k + 0.5) / 10)), networks // 10, seed + k)
        for k in range(10)
    ]
    world = right(case, networks // 10 * 10, seed)
    world.rows = {name: np.concatenate([part.rows[name] for part in stretches]) for name in world.rows}
    world.counts = {kind: np.sum([part.counts[kind] for part in stretches], axis=0) for kind in world.counts}
    return world


def _swapped_quantities(world: World) -> None:
    h, x = "preactivation_second_moment", "activation_second_moment"
    world.rows[h], world.rows[x] = world.rows[x], world.rows[h]


def _factor(world: World) -> None:
    world.rows["weight_gradient_second_moment"] *= 1.05


def _other_networks(world: World) -> None:
    name = "gradient_second_moment"
    world.rows[name] = np.roll(world.rows[name], 1, axis=0)


def _haar(case: Case) -> Case:
    return replace(case, scheme="orthogonal", gain=float(np.sqrt(2.0)) if case.activation == "relu" else 1.0)


def _other_fan(case: Case) -> Case:
    return replace(case, mode="fan_out") if "kaiming" in case.scheme else replace(case, scheme="xavier_normal")


WORLDS: dict[str, Maker] = {
    "gain wrong by 2 %": _as(lambda case: replace(case, gain=1.02 * case.numeric_gain)),
    "uniform weights for normal ones": _as(_uniform),
    "orthogonal weights for normal ones": _as(_haar),
    "biases forgotten, or added": _as(_other_biases),
    "fan_out for fan_in": _as(_other_fan),
    "output gradient of signs": _with(Fault(output="signs")),
    "phi' forgotten in the last layer": _with(Fault(derivative=False)),
    "backward with weights of its own": _with(Fault(fresh_backward=True)),
    "two layers with the same weights": _with(Fault(shared=4)),
    "0.5 % dead networks": _planted(_dead),
    "one layer's rows twice": _each(_repeated_layer),
    "two layers exchanged": _each(_swapped_layers),
    "cosine wrong by 0.05 in one layer": _planted(_cosine),
    "the histogram of another gain": _other_histogram,
    "every network twice": _each(lambda rows: np.repeat(rows[: len(rows) // 2], 2, axis=0)),
    "one absurd gradient": _planted(_outlier),
    "rows rounded to float16": _each(lambda rows: rows.astype(np.float16).astype(np.float64)),
    "gain that drifts by 1 %": _drift,
    "second moments of h and x exchanged": _planted(_swapped_quantities),
    "weight gradient wrong by 5 %": _planted(_factor),
    "gradients of the network before": _planted(_other_networks),
}
