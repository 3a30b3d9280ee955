"""What work costs on each kind of device: what the choice of a method and of a device goes by, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Prices:
    """What one kind of device takes for work, forward and backward, whichever machine it stands in.

    A device is ``places`` at which networks are computed side by side, and every price is that of one place, in
    nanoseconds. ``start`` is what a run spends before the first network because of the device, in seconds. ``where`` is
    said after a price, empty where nothing needs to be said.

    ``weight``: a normal weight drawn and multiplied by one input; ``laws``: times as much for other laws. ``product``:
    a weight times a further input. ``factored``: an operation of a matrix's QR. ``collapsed``: of that law, up to so
    many inputs, two normals and the statistics for each unit and input, and factorings and products for each unit and
    pair of inputs. ``frames``: times as much for frames of orthonormal columns in the place of normals.
    """

    places: int
    start: float
    weight: float
    product: float
    factored: float
    collapsed: tuple[tuple[float, float, float], ...]
    frames: float
    laws: Mapping[str, float] = field(default_factory=dict)
    where: str = ""

    def of_weight(self, law: str) -> float:
        """Nanoseconds of one weight of a law with one input."""
        return self.weight * self.laws.get(law, 1.0)

    def of_collapsed(self, inputs: int) -> float:
        """Nanoseconds of one unit of the collapsed law with so many inputs."""
        number, pair = next((number, pair) for most, number, pair in self.collapsed if inputs <= most)
        return inputs * (number + inputs * pair)

    def seconds(self, networks: int, network: float) -> float:
        """Seconds of so many networks of ``network`` nanoseconds each at a place, without the start."""
        return math.ceil(networks / self.places) * network * 1e-9


# A place is a core. Measured on one with AVX-512 (docs/benchmarks.md), uniform weights beside normal ones there. Their
# number is no measurement, but that of a small machine with a GPU: no choice depends on how many this one has.
CPU = Prices(
    places=8,
    start=0.0,
    weight=1.45,
    product=0.05,
    factored=0.05,
    collapsed=((math.inf, 2.7, 0.35),),
    frames=2.0,
    laws={"uniform": 0.89},
)

_BLOCKS = 3 * 132  # of 256 threads that an H100 holds: three a multiprocessor, by their registers
_UNITS = 50 * 512  # of the networks that rates are stated for


def _at(rate: float) -> float:
    """Nanoseconds at one place of what the whole device does ``rate`` of in a second."""
    return _BLOCKS / rate * 1e9


def _collapsed(few: int, of_few: float, many: int, of_many: float) -> tuple[float, float]:
    """What a unit and input, and a pair of inputs, cost where so many networks a second are made with few and many."""
    first, last = _at(of_few * _UNITS * few), _at(of_many * _UNITS * many)
    pair = (last - first) / (many - few)
    return first - few * pair, pair


# A place is a block of threads of an H100. Rates are for width 512 and depth 50, and are goals of the kernels but where
# something else is said: prototypes reached 2.8e11 weights/s with 16 inputs, 6.2e10 with 128, and 7.7e6 collapsed
# networks/s with one. A line from few to many inputs costs 21, 3 and 4 % less than the goals between (8, 16; 4).
_ONE, _MANY = _at(4.2e11), _at(8e10)  # weights/s with 1 and with 128 inputs
CUDA = Prices(
    places=_BLOCKS,
    start=4.0,  # importing numba.cuda 1 s, measured; reading kernels, 0.3 to 0.6 s each, and the device, about
    weight=_ONE,
    product=(_MANY - _ONE) / 127,
    factored=_at(55 * _UNITS * 4 * 512**2),  # measured: 55 networks/s of orthogonal weights
    # goals with up to 32 inputs, in registers; beyond, kernels as they were measured with 4, 8 (2 % off) and 16
    collapsed=((32, *_collapsed(1, 7e6, 16, 1e5)), (math.inf, *_collapsed(4, 5.8e4, 16, 6.6e3))),
    frames=2.0,  # the processor's; not measured there
    # uniform: the goals' ratio; truncated: 49 instructions a weight to 45 of a normal one, counted; signs: as uniform
    laws={"uniform": 4.2 / 6.5, "truncated_normal": 49 / 45, "rademacher": 4.2 / 6.5},
    where=" on a GPU",
)
