"""What kernels are given, and what one network carries through a block of threads: arrays in NamedTuples."""

from typing import NamedTuple


class Architecture(NamedTuple):
    """Layers 1..L, arrays of (L,): int32 sizes and exponents, float32 standard deviations; see ``cpu/tuples.py``.

    ``units`` is int32 (2, L): exponents of the units of the histograms, forward and backward.
    """

    fan_in: object
    width: object
    weight_std: object
    weight_exponent: object
    bias_std: object
    units: object


class Inputs(NamedTuple):
    """The inputs: flat float32 (features x K, units major) times 2**exponent; cosines are within groups."""

    values: object
    exponent: int
    group: int


class Nonlinearity(NamedTuple):
    """Parameter, the slope under which a unit is saturated, what phi is far out and near zero, where phi' is zero.

    float32 (2, 3) asymptotes and (m, 2) flat intervals; see ``cpu/nonlinearity.py``.
    """

    parameter: object
    saturation: object
    asymptotes: object
    is_homogeneous: bool
    flat: object


class Address(NamedTuple):
    """Keys of a seed (see ``rng.py``), first network and number of networks of a launch.

    Networks below ``counted`` go into histograms.
    """

    keys: tuple
    first: int
    networks: int
    counted: int


class Work(NamedTuple):
    """What all launches of a case share: the kernel and its plan (see ``build``), and the kernel's constant arguments.

    ``counted``: networks below it go into histograms. ``rest`` is the work that takes the networks which this one's
    kernel leaves, None where it leaves none.
    """

    plan: object
    kernel: object
    architecture: object
    inputs: object
    nonlinearity: object
    keys: tuple
    counted: int
    rest: object = None


class Results(NamedTuple):
    """float32 (networks, L, SUMS), int32 (networks, L, EXPONENTS), int32 (2, L, BINS): see ``recorded.py``.

    ``left`` int32 (networks,): where a kernel leaves networks to another (see ``Work``), 1 for those.
    """

    sums: object
    exponents: object
    counts: object
    left: object


class Scratch(NamedTuple):
    """Memory of the blocks: float32 (blocks, size), int32 (blocks, 3, L + 1).

    A column holds ``longest`` units. The floats of a block from ``tape`` on are never in shared memory.
    """

    floats: object
    exponents: object
    longest: int
    tape: int


# Rows of a network's ``carried``: the exponents of x, of phi', and of the sums of squares of x.
X_CARRIED, SLOPE_CARRIED, SQUARES_CARRIED = 0, 1, 2


class Stream(NamedTuple):
    """A stream of random numbers of one layer: counter words of ``place_of`` and keys of ``round_keys``, all uint32."""

    place: object
    low: object
    keys: tuple


class Network(NamedTuple):
    """One network on its way through a block of threads: network ``number`` of the study.

    Cosines are within groups of ``group`` inputs.
    ``sums`` (L, SUMS) and ``exponents`` (L, EXPONENTS): its row; ``counts`` are those of all networks, see ``Results``.
    ``slopes``: phi', ``column`` numbers a layer.
    ``squares``: sums of squares of every layer's inputs, one for each input. ``norms`` (K,): scratch.
    ``carried``, int32 (3, L + 1): exponents, see X_CARRIED and what follows it. ``room``: shared, see ``sums.py``.
    """

    number: int
    is_counted: bool
    group: int
    keys: tuple
    column: int
    sums: object
    exponents: object
    counts: object
    slopes: object
    squares: object
    norms: object
    carried: object
    room: object
