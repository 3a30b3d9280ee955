"""Who may import what: kernels know nothing of mcflow, light commands load nothing heavy."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("numba", "scipy", "xarray", "h5py", "matplotlib", "sklearn", "h5netcdf")


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.level == 0}
    return found


def loads(code: str, names: tuple[str, ...]) -> list[str]:
    """Those of ``names`` that are loaded after ``code`` ran in a fresh process."""
    code += f"\nimport sys; print('LOADED', *[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.rpartition("LOADED")[2].split()


def test_kernels_import_nothing_of_mcflow_but_themselves():
    for path in (ROOT / "kernels").rglob("*.py"):
        foreign = {name for name in imported(path) if name.startswith("mcflow") and "mcflow.kernels" not in name}
        assert not foreign - {"mcflow"}, path


def test_kernel_bodies_import_only_math_scalar_types_and_each_other():
    for path in (ROOT / "kernels" / "body").glob("*.py"):
        for name in imported(path):
            ours = name.startswith(("mcflow.kernels", ".", "__future__", "math", "mcflow"))
            assert ours or name.partition(".")[0] in ("collections", "typing", "numpy"), f"{path}: {name}"


def test_only_sampling_imports_kernels():
    for path in (ROOT / "mcflow").rglob("*.py"):
        if path.parent.name != "sampling":
            assert not any(name.startswith("mcflow.kernels") for name in imported(path)), path


@pytest.mark.parametrize(
    "module",
    [
        "model.study",
        "statistics.moments",
        "statistics.sketches",
        "statistics.summaries",
        "inputs.case_inputs",
        "files.part_folder",
        "theory.prediction",
    ],
)
def test_no_numba_in(module):
    assert not loads(f"import mcflow.{module}", ("numba",))


def test_help_loads_nothing_heavy():
    code = "from mcflow.cli import call\ncall(['--help'])"
    assert not loads(code, (*HEAVY, "numpy", "rich"))


@pytest.mark.parametrize("verb", ["show", "merge", "theory"])
def test_light_verbs_load_no_numba(verb):
    assert not loads(f"from mcflow.cli import call\ncall([{verb!r}, '--help'])", ("numba",))


def test_a_run_on_the_processor_loads_nothing_of_cuda(tmp_path):
    code = "from mcflow.cli import call\n"
    code += "call(['run', '--device', 'cpu', '--networks', '2', '--width', '4', '--depth', '2', '--quiet', '-o', "
    assert not loads(code + f"{str(tmp_path / 'a.h5')!r}])", ("numba.cuda", "mcflow.kernels.cuda"))


def test_importing_mcflow_loads_nothing_heavy():
    assert not loads("import mcflow", (*HEAVY, "numpy"))


def in_the_checkout(code: str) -> subprocess.CompletedProcess[str]:
    """A process started at the top of the checkout, which Python then searches first."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_bare_kernels_are_refused_with_a_sentence():
    done = in_the_checkout("import kernels")
    assert done.returncode != 0
    assert "mcflow.kernels" in done.stderr.splitlines()[-1]


def test_python_started_in_the_checkout_finds_its_kernels():
    done = in_the_checkout("import mcflow.kernels.body.rng as rng; print(rng.__file__)")
    assert done.stdout.strip() == str(ROOT / "kernels" / "body" / "rng.py"), done.stderr
