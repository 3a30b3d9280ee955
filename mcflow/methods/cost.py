"""What a case costs before it runs: the size of its parts, and the memory that it needs."""

from __future__ import annotations

from mcflow import machine, quantities
from mcflow.errors import InputError, option
from mcflow.methods import registry
from mcflow.model.case import Case

_PROGRAM = 200 << 20  # the interpreter with Numba, SciPy and HDF5 loaded
_PER_INPUT = 16  # numbers that theory holds of one input
_PAIRS = 1 << 14  # pairs of inputs that theory lists: more are counted in bins of their angle
_PAIR_BYTES = 60  # of one of them, a layer
_COUNTING = 64 << 20  # while more are counted


def row_bytes(case: Case, backward: bool) -> int:
    """Bytes of one network's rows."""
    recorded = [quantity for quantity in quantities.ALL if backward or quantity.passes == "forward"]
    return len(case.widths) * 8 * len(recorded)


def memory_needed(
    case: Case, features: int, method: str, networks: int, backward: bool = True, threads: int = 1
) -> int:
    """Bytes at the worst moment of one case for inputs of ``features`` entries.

    The inputs and their copies, theory's pairs of inputs, the rows of a part of ``networks`` networks three times, and
    each thread's layers and weights.
    """
    pairs = case.batch * (case.batch - 1) // 2 if case.correlation is None else case.batch // 2
    program = case.program_for(features)
    inputs = 8 * case.batch * (3 * features + _PER_INPUT) + _PAIR_BYTES * program.depth * min(pairs, _PAIRS)
    inputs += _COUNTING if pairs > _PAIRS else 0
    rows = 3 * networks * row_bytes(case, backward)
    per_thread = registry.get(method).thread_bytes(case, features, backward)
    return _PROGRAM + inputs + rows + threads * per_thread


def refuse_large(name: str, needed: int) -> None:
    """InputError where case ``name`` needs more memory than this process can have."""
    memory = machine.available_memory()
    if needed > memory:
        raise InputError(
            f"{name} needs about {in_bytes(needed)} of memory and {in_bytes(memory)} are free; "
            f"give a smaller width, depth or batch, or fewer {option('threads')}"
        )


def in_bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.3g} {unit}"


_WORK = 1 << 33  # weights drawn in one part: seconds of work, so that little is lost when it is
_ROW_BYTES = 1 << 25  # rows of one part, or block, that are held in memory
# Numbers of a layer by which a part is measured: a constant of the format, ten since its first version. The size of a
# part is part of a file's identity, and must not change with what is recorded.
_NUMBERS_OF_A_LAYER = 10
_LARGEST, _SMALLEST = 8192, 16
# Networks that are folded as one group, at most: the numbers of a layer are then in the first cache.
_GROUP = 256
# A study of many networks has at most so many parts, and at least so many where they are long: few on a strong device.
_MOST_PARTS, _LEAST_PARTS, _FEW_PARTS = 2048, 64, 8


def largest_block(case: Case, backward: bool) -> int:
    """How many networks may be computed at once: what they leave takes some 40 MB, and two blocks are held."""
    return max(1, _ROW_BYTES // row_bytes(case, backward))


def group_size(part: int) -> int:
    """How many networks are folded as one group where ``part_size`` is ``part``: a power of two, as that is."""
    return min(_GROUP, part)


def folded_part_size(case: Case, features: int, method: str, networks: int, strength: int = 1) -> int:
    """How many networks make a part of a study of so many whose rows are not kept: a power of two of groups.

    No number depends on it. ``strength`` is that of the device: how many times the work of a part it is given.
    """
    most = int(strength * _WORK / registry.get(method).work(case, features))
    shared = networks // max(_FEW_PARTS, _LEAST_PARTS // strength)
    needed = -(-networks // _MOST_PARTS)
    balanced = 1 << max(0, min(most, shared).bit_length() - 1)
    return max(part_size(case, features, method), balanced, 1 << max(0, (needed - 1).bit_length()))


def part_size(case: Case, features: int, method: str) -> int:
    """How many networks make a part: a power of two that depends on the case and method alone, never the machine."""
    work = registry.get(method).work(case, features)
    by_work = max(_SMALLEST, min(_LARGEST, int(_WORK / work)))
    by_rows = max(1, _ROW_BYTES // (case.program_for(features).depth * 8 * _NUMBERS_OF_A_LAYER))
    return 1 << (min(by_work, by_rows).bit_length() - 1)
