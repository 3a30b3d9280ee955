"""Kernels put together for a case: one for each method, activation, distribution, and way of multiplying."""

import threading
from collections.abc import Callable
from typing import NamedTuple

from ..body.scalars import float32, uint64
from . import (
    collapsed,
    direct,
    direction,
    fill,
    haar,
    in_registers,
    instructions,
    layer,
    layer_in_registers,
    memory,
    nonlinearity,
    one_input,
    products,
    reflectors,
    sums,
    tensor,
)
from ._compile import SIMULATED, assemble

# Bytes of shared memory that a block may have without asking for more, less what sums need.
SHARED_BYTES = 48 << 10
FEWEST_THREADS, MOST_THREADS = 64, 256
MOST_OF_BLOCK, REGISTERS_OF_MULTIPROCESSOR = 1024, 1 << 16
WARP, MOST_GROUPS = 32, 8  # three numbers for each of 32 units are what a thread's registers hold
TILE_UNITS, TILE_ROWS, MINE_ROWS = 8, 16, 4
# Three blocks of 256 threads a multiprocessor; what lives through the whole kernel spills, the loops over weights do
# not. Two blocks where each thread keeps many sums of a product.
REGISTERS, REGISTERS_FOR_TILES = 80, 128
# A layer in registers: three numbers a unit, and what the loops over units live by.
REGISTERS_OF_LAYER, LEAST_REGISTERS_OF_LAYER = 80, 112


class Method(NamedTuple):
    """A method's kernel, the templates that it is put together from beside those of all, and what memory it takes.

    ``longest(widest, fan_in, padding)``: the units of a column, where rows of weights are padded to ``padding``.
    ``work(column, batch)``: floats of the arrays of a layer, of which ``column`` hold one column of every input.
    ``tape(column, batch, depth, kept)``: floats of what ``kept`` layers leave for the backward pass beside phi' and
    sums of squares. ``keeps_slopes``: whether phi' of every layer is left too.
    """

    walk: Callable
    templates: tuple
    makes_weights: bool
    longest: Callable
    work: Callable
    tape: Callable
    keeps_slopes: bool = True


def _longest_of_direct(widest, fan_in, padding):
    return max(widest, *(fill.padded(n, padding) for n in fan_in))


METHODS = {
    "direct": Method(
        direct.walk,
        (reflectors, haar, instructions, tensor, products, direct),
        makes_weights=True,
        longest=_longest_of_direct,
        work=lambda column, batch: 2 * column,
        tape=lambda column, batch, depth, kept: 0,
    ),
    "collapsed": Method(
        collapsed.walk,
        (reflectors, collapsed),
        makes_weights=False,
        longest=lambda widest, fan_in, padding: widest + 1,  # the row of biases
        work=lambda column, batch: 3 * column + batch * batch + 2 * batch,
        tape=lambda column, batch, depth, kept: 2 * kept * column + depth * batch,
    ),
    # of "collapsed", one input through normal weights: what any network takes, and most
    "one_input": Method(
        one_input.walk,
        (direction, one_input),
        makes_weights=False,
        longest=lambda widest, fan_in, padding: widest,
        work=lambda column, batch: 2 * column,
        tape=lambda column, batch, depth, kept: 2 * kept * column,
    ),
    "in_registers": Method(
        in_registers.walk,
        (direction, layer_in_registers, in_registers),
        makes_weights=False,
        longest=lambda widest, fan_in, padding: widest,
        work=lambda column, batch: 0,
        tape=lambda column, batch, depth, kept: (column + layer_in_registers.KEPT) * depth,
        keeps_slopes=False,
    ),
}


class Plan(NamedTuple):
    """What a kernel is built for. ``distribution`` is that of the weights; ``longest`` the units of a column.

    ``threads`` make a block; the layers' arrays stand in shared memory where ``in_shared``, and take ``work`` floats.
    ``matrix`` floats of global memory hold the largest layer's weights where these are made whole. In registers a
    thread has ``groups`` column groups of a layer; ``ragged`` where some layer's last one is not full.
    """

    method: str
    distribution: str
    biases_are_uniform: bool
    batch: int
    backward: bool
    longest: int
    threads: int
    work: int
    in_shared: bool
    matrix: int
    on_cores: bool
    groups: int = 0
    ragged: bool = False


class Machine(NamedTuple):
    """What a plan depends on beside its case: compute capability, which has tensor cores for float32 from 8.0 on.

    ``threads`` of a block instead of the usual number, for the simulator: any number for few inputs or the collapsed
    method, else a multiple of 4, and for tensor cores of 32.
    """

    capability: tuple = (0, 0)
    threads: int | None = None

    @property
    def has_tensor_cores(self):
        return self.capability >= (8, 0)


_NO_TENSOR_CORES = Machine()


def kernels_of(method, distribution, batch):
    """The kernels of a method, names in METHODS: each leaves to those before it what it does not take."""
    if method == "collapsed" and batch == 1 and not fill.LAWS[distribution].whole:
        return "one_input", "in_registers"
    return (method,)


def plan_for(method, distribution, biases_are_uniform, batch, backward, widths, fan_in, machine=_NO_TENSOR_CORES):
    """The plan of one of ``kernels_of`` for a case.

    A network's bits depend on it, so it depends on nothing but the case and the kind of device.
    """
    how, law = METHODS[method], fill.LAWS[distribution]
    widest = max(*widths, *fan_in)
    longest = how.longest(widest, fan_in, 4 * law.bits)
    whole = how.makes_weights and law.whole
    several = how.makes_weights and not law.whole
    on_cores = several and machine.has_tensor_cores and batch >= tensor.LEAST_INPUTS
    many = several and not on_cores and batch > products.FEW_INPUTS
    if method == "in_registers":
        threads, groups = _share_of(-(-max(widths) // 4), machine.threads)
    else:
        threads, groups = machine.threads or _threads(widest, many, on_cores), 0
    work = how.work(longest * batch, batch)
    other = 16 * threads + (_tile_bytes(threads, batch) if many else tensor.STAGE_BYTES if on_cores else 0)
    return Plan(
        method, distribution, biases_are_uniform, batch, backward, longest, threads, work,
        4 * work + other <= SHARED_BYTES,
        max(map(haar.floats_of, widths, fan_in)) if whole else 0,
        on_cores,
        groups,
        groups > 0 and any(n % 4 for n in widths),
    )  # fmt: skip


def _threads(widest, many, on_cores):
    if many:
        return MOST_THREADS
    tasks = 2 * widest if on_cores else widest  # a warp has 16 rows, or a thread one
    return max(FEWEST_THREADS, min(MOST_THREADS, -(-tasks // 32) * 32))


def _share_of(groups, threads):
    """Threads of a block that has the column ``groups`` of a layer in registers, and how many of them each has.

    One warp as far as its registers go. Powers of two, so that few kernels serve all widths.
    """
    if threads is None:
        threads = WARP
        while threads < MOST_OF_BLOCK and threads * MOST_GROUPS < groups:
            threads *= 2
    each = 1
    while each * threads < groups:
        each *= 2
    return threads, each


def _has_tiles(plan):
    """Whether weights and inputs are multiplied as tiles in shared memory."""
    law = fill.LAWS[plan.distribution]
    several = METHODS[plan.method].makes_weights and not law.whole
    return several and not plan.on_cores and plan.batch > products.FEW_INPUTS


def _tile(threads, batch):
    """Rows and columns of threads, and each thread's share of columns."""
    rows = min(TILE_ROWS, max(1, threads // 4))
    columns = threads // rows
    mine = 1
    while mine < 8 and mine * columns < batch:
        mine *= 2
    return rows, columns, mine


def _tile_bytes(threads, batch):
    rows, columns, mine = _tile(threads, batch)
    return 16 * TILE_UNITS * (rows * MINE_ROWS + columns * mine)


def scratch_floats(plan, depth):
    """Floats of global memory for each block, and where in them the tape begins."""
    column = plan.longest * plan.batch
    kept = depth if plan.backward else 1
    how = METHODS[plan.method]
    tape = (depth * column if plan.backward and how.keeps_slopes else 0) + (depth + 2) * plan.batch
    tape += how.tape(column, plan.batch, depth, kept)
    start = 0 if plan.in_shared else plan.work
    return start + tape + plan.matrix, start


def dynamic_bytes(plan):
    """Bytes of dynamic shared memory of a launch."""
    return 4 * plan.work if plan.in_shared else 0


def registers_of(plan):
    """How many registers a thread may have."""
    if plan.groups:
        wanted = max(LEAST_REGISTERS_OF_LAYER, REGISTERS_OF_LAYER + 16 * plan.groups)
        return min(REGISTERS_OF_MULTIPROCESSOR // plan.threads, wanted)
    many = tensor.has_many_sums(plan.batch) if plan.on_cores else _has_tiles(plan)
    return REGISTERS_FOR_TILES if many else REGISTERS


_built, _building = {}, threading.Lock()


def kernel_for(plan, key, code):
    """The kernel of a plan for an activation's ``code`` (see ``activations.Code``), which ``key`` names for ever.

    For any thread; the same plan and key give the same kernel. It is compiled, or read from disk, when it is first
    launched or made ready.
    """
    plan = plan._replace(work=0, longest=0, matrix=0)
    with _building:
        if (plan, key) not in _built:
            _built[plan, key] = _assemble(plan, code)
        return _built[plan, key]


def make_ready(kernel, *arguments):
    """Compile a kernel for the types of its arguments, or read it from disk, and load it onto the current device.

    For any thread: while one computes on the device, another may make the next case's kernel ready. The launch that
    needs it waits for the compiler, or finds it there.
    """
    if not SIMULATED:
        kernel.compile(tuple(map(kernel.typeof_pyval, arguments)))


def _assemble(plan, code):
    how = METHODS[plan.method]
    templates = (sums, fill, nonlinearity, layer, memory, *how.templates)
    return assemble(how.walk, registers_of(plan), *templates, **values_of(plan, code))


def values_of(plan, code):
    """What the names of ``placeholders`` are in the kernel of a plan."""
    law = fill.LAWS[plan.distribution]
    rows, columns, mine = _tile(plan.threads, plan.batch)
    lanes = min(plan.batch, plan.threads)
    return {
        "THREADS": plan.threads,
        "ROOM": 4 * plan.threads,
        "LANES": lanes,
        "PARTS": plan.threads // lanes,
        **_exchange(plan.threads),
        "GROUPS": plan.groups,
        "NUMBERS": max(1, 4 * plan.groups),
        "RAGGED": plan.ragged,
        "BATCH": plan.batch,
        "BACKWARD": plan.backward,
        "IN_SHARED": plan.in_shared,
        "WHOLE": law.whole,
        "BITS": law.bits,
        "weight_four": law.four,
        "bias_four": fill.LAWS["uniform" if plan.biases_are_uniform else "normal"].four,
        "TENSOR": plan.on_cores,
        "FEW": plan.batch <= products.FEW_INPUTS,
        "TILE_ROWS": rows,
        "TILE_COLUMNS": columns,
        "TILE_UNITS": TILE_UNITS,
        "MINE_ROWS": MINE_ROWS,
        "MINE_COLUMNS": mine,
        "TWO_BATCH": 2 * plan.batch,
        "FOUR_BATCH": 4 * plan.batch,
        "MINE": MINE_ROWS * mine,
        "WEIGHT_TILE": 4 * TILE_UNITS * rows * MINE_ROWS,
        "TILES": tensor.STAGE_BYTES // 8
        if plan.on_cores
        else _tile_bytes(plan.threads, plan.batch) // 4
        if _has_tiles(plan)
        else 1,
        "TILE_NUMBER": uint64 if plan.on_cores else float32,
        **tensor.shape_for(plan.batch),
        "multiply_add": instructions.multiply_add_by_exchange if SIMULATED else instructions.multiply_add_by_cores,
        "phi_and_slope": code.phi_and_slope,
        "log_slope": code.log_slope,
        "HAS_SLOPES": code.has_slopes,
        "PERIOD": code.period,
        "FLATS": code.flats,
        "ENDS": max(1, 2 * code.flats),
    }


def _exchange(threads):
    """How the threads of a block wait for each other and add numbers up."""
    if SIMULATED:
        return {"meet": sums.meet_as_block, "sum_one": sums.sum_one_by_tree, "sum_four": sums.sum_four_by_tree}
    if threads == WARP:
        return {"meet": sums.meet_as_warp, "sum_one": sums.sum_one_in_warp, "sum_four": sums.sum_four_in_warp}
    return {"meet": sums.meet_as_block, "sum_one": sums.sum_one_by_warps, "sum_four": sums.sum_four_by_warps}
