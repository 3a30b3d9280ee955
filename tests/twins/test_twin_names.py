"""Equal names for equal things: a difference between the folders of the two devices is a difference in fact."""

import ast
import shutil
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "kernels"
ALONE = {
    "cpu": {
        "_pipelines",  # passes of Numba's compiler, which the GPU's does not have
        "ceilings",  # what one core can do at most; a device's is measured by the benchmark
        "chain",  # milliseconds on the processor
        "completion",  # what a walk leaves for its completion to weights, which is the processor's
        "vectors",  # loops over contiguous numbers; the GPU's threads share them in place
    },
    "cuda": {
        "build",  # a kernel is put together for a case; the processor's call each other by address
        "direction",  # of one input, for its two kernels,
        "in_registers",  # of which one has a layer in the registers of a warp, and leaves what needs range to the other
        "disk_cache",  # Numba keeps the processor's code; numba-cuda's own way would take one kernel for another
        "fingerprint",  # of what a kernel was put together from
        "layer_in_registers",  # the loops of that kernel over units
        "instructions",  # that a GPU has and numba-cuda does not name
        "kernel_files",  # its code as files
        "placeholders",  # what is put into it
        "rng",  # Philox in the 32-bit words that a GPU multiplies
        "rounding",  # of tensor cores, for the simulator
        "smoke",  # whether a device runs anything at all
        "tensor",  # products by tensor cores; the processor's are BLAS's
    },
}

# Public names inside twin modules that one device alone has.
NAMES_ALONE = {
    "_compile": {  # two compilers: flags, Numba's disk cache and calls by address; templates that are put together
        "cpu": "CACHE_FOLDER EXACT FLOATS JIT_IS_OFF PLAIN SUMS WITHOUT_COUNTS add_atomically bits_of_double call "
        "call_unit copy_with double_of_bits loop unit_for",
        "cuda": "SIMULATED assemble cuda",
    },
    "activations": {"cpu": "SIGNATURE"},  # of loops called by address
    "bodies": {
        # the sums of x in two passes, in the order that they always had; a GPU is told the keys of Philox's rounds
        "cpu": "first_two key_of size_and_fourth",
        "cuda": "absolute exp power_of_two square_root",  # float32 alone: the processor takes float64 from ``math``
    },
    "direct": {  # weights come in panels that may be kept; and are drawn for a user by the processor
        "cpu": "LEAST_ROWS PANEL floats_for draw_rows draw_weights",
    },
    "fill": {  # rows are filled by loops called by address; threads make four numbers each where they are needed
        "cpu": "Distribution SIGNATURE distribution",
        "cuda": "add_biases fill_normals first_column groups_of stream_of weights_of_unit words_at",
    },
    "fold": {  # values come ready, and logarithms are taken by the row; a GPU's thread makes one number at a time
        "cpu": "FRACTION HALF_ROOT INFINITE LG_1 LG_2 LG_3 LG_4 LG_5 LG_6 LG_7 LN2_HIGH LN2_LOW ONE TWO_52 TWO_52_BITS",
        "cuda": "BIAS Groups Recipe Table bits_of_double double_of_bits",
    },
    "haar": {  # a matrix is written out, or multiplied with by its reflections (docs/decisions.md)
        "cpu": "fill_orthogonal",
        "cuda": "factor_layer floats_of multiply_whole",
    },
    "launch": {
        "cpu": "walk_of",  # a template of its own for each method; a GPU's is that of ``build``
        "cuda": "Folded Room blocks_at_a_time fold_networks halved room_for",  # as much as a device holds at a time;
        # the processor's threads are the user's to choose, and it folds what it has in memory
    },
    "layer": {  # compiled once for all methods; a pass saved by ``direct``, and one by ``one_input``
        "cpu": "record_backward scale_and_shift steps_for",
    },
    "memory": {  # memory is asked for by the thread that walks, or cut out of what the launch was given
        "cpu": "empty_floats make_walk whole_lines",
        "cuda": "begin tape_of_network",
    },
    "nonlinearity": {  # what stands for phi is asked before the one pass that the GPU makes, counts included
        "cpu": "active_and_saturated",
        "cuda": "FAR_OUT HOMOGENEOUS NEAR Scale TRUE has_far_units side_of",
    },
    "one_input": {"cpu": "Direction"},  # in float64; the GPU's is ``direction``'s
    "products": {"cpu": "Panel"},  # of weights, which a GPU makes in registers
    "reflectors": {
        "cpu": "Columns",  # contiguous ones; a GPU's matrices are rows major, BATCH numbers apart
        "cuda": "level unlevel",  # squares stay in float32
    },
    "sums": {  # one thread in float64 and one row for sums and exponents; a block of threads in float32, two tables
        "cpu": "D_EXPONENT H_EXPONENT IN_EXPONENT RECORDED X_EXPONENT activation_statistics preactivation_statistics "
        "sum_of_squares",
        "cuda": "LARGEST_EXPONENT LEAST MOST bins_per_unit binary_exponent clipped count_one column_dots "
        "column_squares factors fold largest_of largest_size meet_as_block meet_as_warp sum_four_by_tree "
        "sum_four_by_warps sum_four_in_warp sum_one_by_tree sum_one_by_warps sum_one_in_warp sums_of_powers",
    },
    "tuples": {  # a thread has its walk, a block of threads its network, in the memory and arguments of a launch
        "cpu": "Block Counting Memory Setting Space Steps Turns Walk",
        "cuda": "Network SLOPE_CARRIED SQUARES_CARRIED Scratch Stream Work X_CARRIED",
    },
}


def names_of(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")} | {path.name for path in folder.iterdir() if is_package(path)}


def is_package(path: Path) -> bool:
    return (path / "__init__.py").exists()


def without_twin(kernels: Path) -> dict[str, set[str]]:
    """The modules of each device that the other does not have, but for those that stand alone for a reason."""
    cpu, cuda = names_of(kernels / "cpu"), names_of(kernels / "cuda")
    return {"cpu": cpu - cuda - ALONE["cpu"], "cuda": cuda - cpu - ALONE["cuda"]}


def test_every_module_of_one_device_has_its_twin_or_stands_alone_for_a_reason():
    assert without_twin(KERNELS) == {"cpu": set(), "cuda": set()}


def test_what_stands_alone_is_there_and_has_no_twin():
    for device, other in (("cpu", "cuda"), ("cuda", "cpu")):
        assert ALONE[device] <= names_of(KERNELS / device)
        assert not ALONE[device] & names_of(KERNELS / other)


@pytest.mark.parametrize(("device", "other"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_a_module_without_its_twin_is_seen(device, other, tmp_path):
    for folder in ("cpu", "cuda"):
        (tmp_path / folder).mkdir()
        for name in names_of(KERNELS / folder):
            (tmp_path / folder / f"{name}.py").touch()
    (tmp_path / device / "lanes.py").touch()
    assert without_twin(tmp_path) == {device: {"lanes"}, other: set()}


def public_names(path: Path) -> set[str]:
    """Functions, classes and variables that a module defines itself, without what is private to it."""
    found: set[str] = set()
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found.add(statement.name)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            found |= {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return {name for name in found if not name.startswith("_")}


def names_without_twin(kernels: Path) -> dict[tuple[str, str], set[str]]:
    """By module and device: the public names that its twin does not have, those with a reason included."""
    found = {}
    for module in sorted(names_of(kernels / "cpu") & names_of(kernels / "cuda")):
        cpu, cuda = (public_names(kernels / device / f"{module}.py") for device in ("cpu", "cuda"))
        found |= {(module, "cpu"): cpu - cuda, (module, "cuda"): cuda - cpu}
    return {where: names for where, names in found.items() if names}


def with_a_reason() -> dict[tuple[str, str], set[str]]:
    return {(module, device): set(names.split()) for module, of in NAMES_ALONE.items() for device, names in of.items()}


def test_every_public_name_of_a_twin_is_its_twins_or_stands_alone_for_a_reason():
    """Both ways: a name that has found its twin, or is gone, leaves the table."""
    assert names_without_twin(KERNELS) == with_a_reason()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(
    "planted", ["def spread(h): ...", "class Spread(NamedTuple): ...", "SPREAD = 2", "a, SPREAD = 1, 2"]
)
def test_a_name_without_its_twin_is_seen(device, planted, tmp_path):
    kernels = shutil.copytree(KERNELS, tmp_path / "kernels")
    path = kernels / device / "memory.py"
    path.write_text(path.read_text() + f"\n\n{planted}\n")
    found = names_without_twin(kernels)["memory", device] - with_a_reason()["memory", device]
    assert {name.lower() for name in found} - {"a"} == {"spread"}
    twin = kernels / ("cuda" if device == "cpu" else "cpu") / "memory.py"
    twin.write_text(twin.read_text() + f"\n\n{planted}\n")
    assert names_without_twin(kernels) == with_a_reason()
