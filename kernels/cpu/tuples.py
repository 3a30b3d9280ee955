"""What the kernels of the processor are told: layers, inputs, counting, memory, and the state of one walk."""

from typing import NamedTuple

import numpy as np


class Architecture(NamedTuple):
    """Layers 1..L: int64 sizes (L,), float32 standard deviations of weights and biases (L,), distributions.

    A weight is ``weight_std * 2**weight_exponent`` times a unit-variance number from the loop at ``weights``, whose
    rows are padded to a multiple of ``padding``, and whose matrices are made whole where ``whole`` (see ``fill``).
    ``biases`` is the loop of the biases, ``normals`` that of what is always normal.
    """

    weights: int
    padding: int
    whole: bool
    biases: int
    normals: int
    fan_in: np.ndarray
    width: np.ndarray
    weight_std: np.ndarray
    weight_exponent: np.ndarray
    bias_std: np.ndarray


class Inputs(NamedTuple):
    """The inputs, float32 (K, features) times 2**exponent; cosines are taken within groups of ``group`` of them."""

    values: np.ndarray
    exponent: int
    group: int


class Nonlinearity(NamedTuple):
    """The activation: address of its loop, its parameter, |phi'| under which a unit counts as saturated, and its ends.

    ``saturation`` is 0 where phi' is unbounded: then units of zero slope count. ``asymptotes`` is float32 (2, 3): near
    zero and far out, each (negative, positive, degree), degree 0 for none; ``is_homogeneous`` where they are phi
    itself. ``period`` is that of a periodic phi, 0 else. ``flat`` is float32 (m, 2), m >= 1: the closed intervals on
    which phi' is 0. ``slopes`` is the address of the loop for slopes that leave float32, 0 where none do.
    """

    address: int
    parameter: np.float32
    saturation: np.float32
    asymptotes: np.ndarray
    is_homogeneous: bool
    period: float
    flat: np.ndarray
    slopes: int


class Counting(NamedTuple):
    """Histograms: networks below ``networks`` are counted in units of 2**exponent, int64 (L,) forward and backward."""

    networks: int
    preactivation_exponent: np.ndarray
    gradient_exponent: np.ndarray


class Memory(NamedTuple):
    """Whether gradients are wanted, and where a lane makes and keeps its weights: float32 (lanes, size).

    ``direct.floats_for`` tells the size; it is 0 where no weights are made. ``record`` (L, PLANES, K, length): what a
    collapsed walk of one network leaves for its completion to weights (see ``collapsed``), of length 0 but for that.
    """

    backward: bool
    weights: np.ndarray
    record: np.ndarray


class Address(NamedTuple):
    """Where in the random stream a block stands: the seed (uint64) and its first network (int64)."""

    seed: np.uint64
    first: int


class Block(NamedTuple):
    """All that a walk is told of the networks that it takes."""

    address: Address
    architecture: Architecture
    inputs: Inputs
    nonlinearity: Nonlinearity
    counting: Counting
    memory: Memory


class Turns(NamedTuple):
    """One lane of a block, and how it comes by its networks: ``counter`` int64 (1,) is shared by all."""

    lane: int
    counter: np.ndarray
    share: int


class Results(NamedTuple):
    """What a block fills: rows float64 (RECORDED, networks, L), and counts int64 (lanes, 2, L, BINS)."""

    rows: np.ndarray
    counts: np.ndarray


class Space(NamedTuple):
    """What one network needs while it is walked through; flat float32 arrays are inputs major.

    h, x, delta: one layer (K * widest). slope: phi' of every layer (L, K * widest), of one without backward pass.
    delta_exponent (1,) and delta_squares (K,), delta's sums of squares, unscaled. slope_exponent (L,), x_exponent
    (L + 1,). x_squares (L + 1, K): sums of squares of every layer's x, float64 and unscaled. bias, direction: scratch.
    """

    h: np.ndarray
    x: np.ndarray
    delta: np.ndarray
    delta_exponent: np.ndarray
    delta_squares: np.ndarray
    slope: np.ndarray
    slope_exponent: np.ndarray
    x_exponent: np.ndarray
    x_squares: np.ndarray
    bias: np.ndarray
    direction: np.ndarray


class Setting(NamedTuple):
    """What the two layer steps are told that is the same for all layers and networks of a walk.

    Not the walk itself: a step is called by address and handed copies, which would cost a narrow layer 1 to 4 %.
    """

    inputs: Inputs
    nonlinearity: Nonlinearity
    counting: Counting
    backward: bool


class Steps(NamedTuple):
    """Addresses of the units behind ``layer.finish_forward`` and ``layer.record_backward``, which all methods call."""

    forward: int
    backward: int


class Walk(NamedTuple):
    """All that stays the same while one thread walks through its networks."""

    steps: Steps
    architecture: Architecture
    inputs: Inputs
    nonlinearity: Nonlinearity
    counting: Counting
    backward: bool
    key_0: np.uint64
    key_1: np.uint64
    space: Space
