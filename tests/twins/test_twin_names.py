"""Equal names for equal things: a difference between the folders of the two devices is a difference in fact."""

from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "kernels"
ALONE = {
    "cpu": {
        "_pipelines",  # passes of Numba's compiler, which the GPU's does not have
        "ceilings",  # what one core can do at most; a device's is measured by the benchmark
        "chain",  # milliseconds on the processor
        "fold",  # rows of either device are folded by the processor
        "one_input",  # fewer passes over memory; a block of threads makes no more of them for one input
        "vectors",  # loops over contiguous numbers; the GPU's threads share them in place
    },
    "cuda": {
        "build",  # a kernel is put together for a case; the processor's call each other by address
        "rng",  # Philox in the 32-bit words that a GPU multiplies
        "smoke",  # whether a device runs anything at all
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
