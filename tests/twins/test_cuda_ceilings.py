"""The benchmark's ceilings are ceilings: what their loops are made of, in PTX, without a GPU."""

import importlib
import importlib.util
from collections import Counter
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("numba_cuda") is None,
        reason="numba-cuda is not installed: kernels are not compiled to PTX (pip install 'mcflow[cuda]')",
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # numba-cuda's own, with NumPy 2.5
]
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def ceilings(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("cuda_ceilings")


def compiled(ceilings, kernel):
    """The PTX, and how often each instruction stands in the longest stretch between labels and jumps: the loop."""
    import cuda_code

    ptx = cuda_code.ptx_of(kernel, ceilings.signature_of(kernel), (9, 0))
    stretches, here = [], []
    for line in map(str.strip, ptx[ptx.index(".entry") :].splitlines()):
        if line.startswith("$L") or " bra" in line or line.startswith("bra"):
            stretches.append(here)
            here = []
        elif line.endswith(";") and not line.startswith((".", "//", "@")):
            here.append(line.split()[0])
    return ptx, Counter(max([*stretches, here], key=len))


def test_the_float32_loop_is_fused_multiply_adds_and_nothing_else_that_computes(ceilings):
    ptx, loop = compiled(ceilings, ceilings.multiply_and_add)
    assert loop["fma.rn.f32"] == ceilings.ACCUMULATORS << ceilings.DOUBLED
    assert loop.total() - loop["fma.rn.f32"] <= 6, loop  # counts turns and jumps
    assert not any(".f64" in name or name.startswith(("mul.f32", "add.f32")) for name in loop)
    assert ".local" not in ptx
    assert "call" not in ptx


def test_the_copy_has_four_vectors_under_way_before_it_writes_the_first(ceilings):
    ptx, _ = compiled(ceilings, ceilings.copy)
    moves = [line.split()[0] for line in map(str.strip, ptx.splitlines()) if line.startswith(("ld.glob", "st.glob"))]
    assert moves == ["ld.global.v4.u32"] * ceilings.CHUNKS + ["st.global.v4.u32"] * ceilings.CHUNKS


def test_the_tensor_core_loop_is_products(ceilings):
    ptx, loop = compiled(ceilings, ceilings.multiply_tiles)
    products = sum(number for name, number in loop.items() if name.startswith("mma.sync"))
    assert products % (4 << (ceilings.DOUBLED - 1)) == 0
    assert products > 0
    assert not any(name.startswith(("fma", "add.f32", "mul")) for name in loop), loop
    assert ".local" not in ptx


@pytest.mark.parametrize("name", ["make_words", "make_normals", "make_uniforms"])
def test_numbers_are_ten_rounds_of_philox_in_registers(ceilings, name):
    ptx, loop = compiled(ceilings, getattr(ceilings, name))
    assert loop["mul.wide.u32"] >= 18  # one instruction for both halves of a product
    # two products a round; one of the first is of a word that does not change
    assert sum(number for of, number in loop.items() if of.startswith("mul") and ".f" not in of) == 19, loop
    assert ".local" not in ptx
    assert ".f64" not in ptx
