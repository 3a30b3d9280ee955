"""Who may import whom, beyond what import-linter sees: names of kernels, plain bodies, what is loaded at run time."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("numba", "llvmlite", "scipy", "xarray", "pandas", "h5py", "h5netcdf", "matplotlib", "sklearn", "dask")
PLAIN = {"__future__", "math", "collections.abc", "typing", "numpy"}


def imported(path: Path, package: str) -> set[str]:
    """Every module that a file of ``package`` names in full, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def is_under(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


def foreign_to_bodies(path: Path) -> set[str]:
    """What a body imports beyond math, NumPy's scalar types and other bodies."""
    names = imported(path, "mcflow.kernels.body")
    ours = {name for name in names if is_under(name, "mcflow.kernels.body")}
    return {name for name in names - ours if name not in PLAIN and name.rpartition(".")[0] not in PLAIN}


def names_of_kernels(path: Path) -> set[str]:
    return {name for name in imported(path, "mcflow.anything") if is_under(name, "mcflow.kernels")}


def names_of_the_face(path: Path) -> set[str]:
    """What a file takes from ``import mcflow`` itself: a name that is no module of ours."""
    rooms = {item.stem for item in (ROOT / "mcflow").iterdir()} | {"kernels"}
    names = {name for name in imported(path, "mcflow.anything") if is_under(name, "mcflow")}
    return {name for name in names if name == "mcflow" or name.split(".")[1] not in rooms}


def loads(code: str, names: tuple[str, ...]) -> list[str]:
    """Those of ``names`` that are loaded after ``code`` ran in a fresh process."""
    code += f"\nimport sys; print('LOADED', *[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.rpartition("LOADED")[2].split()


def command(*arguments: object) -> str:
    """Code that runs the command in its process, to its end."""
    return f"from mcflow.cli import call\ncall({[str(argument) for argument in arguments]!r})"


def test_bodies_import_only_math_scalar_types_and_each_other():
    for path in (ROOT / "kernels" / "body").glob("*.py"):
        assert not foreign_to_bodies(path), path


@pytest.mark.parametrize(
    "line", ["import numba", "from numba import njit", "from .. import cpu", "from ..cpu import sums", "import mcflow"]
)
def test_a_body_that_reaches_out_is_seen(line, tmp_path):
    (tmp_path / "body.py").write_text(f"from numpy import float32\nfrom .scalars import uint64\n{line}\n")
    assert foreign_to_bodies(tmp_path / "body.py")


def test_what_is_recorded_is_plain_numbers():
    assert not imported(ROOT / "kernels" / "recorded.py", "mcflow.kernels")


def test_only_sampling_names_the_kernels_and_nobody_the_face():
    for path in (ROOT / "mcflow").rglob("*.py"):
        if path.parent.name != "sampling":
            allowed = {"mcflow.kernels.recorded"} if path == ROOT / "mcflow" / "quantities.py" else set()
            assert names_of_kernels(path) <= allowed, path
        assert not names_of_the_face(path), path


@pytest.mark.parametrize("line", ["import mcflow", "from mcflow import run", "from mcflow import Case as Network"])
def test_a_room_that_takes_from_the_face_is_seen(line, tmp_path):
    (tmp_path / "room.py").write_text(f"def inner():\n    {line}\n")
    assert names_of_the_face(tmp_path / "room.py")
    (tmp_path / "room.py").write_text("from mcflow import errors, schemes\nfrom mcflow.files.atomic import digest\n")
    assert not names_of_the_face(tmp_path / "room.py")


@pytest.mark.parametrize(
    "room", ["model", "statistics", "inputs", "files", "mean_field", "theory", "methods", "activations", "answers"]
)
def test_no_numba_in_the_modules_of(room):
    folder = ROOT / "mcflow" / room
    modules = [path.relative_to(ROOT).with_suffix("").parts for path in folder.rglob("*.py") if path.stem != "__init__"]
    assert modules
    imports = "\n".join(f"import {'.'.join(parts)}" for parts in modules)
    assert not loads(imports, ("numba",))


def test_help_loads_nothing_heavy():
    assert not loads(command("--help"), (*HEAVY, "numpy", "rich"))


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two shards of a study, and the file that is merged of them; and two, s0 and s1, of one that keeps no rows."""
    folder = tmp_path_factory.mktemp("light")
    case = ("--scheme", "kaiming_normal", "--activation", "relu", "--depth", 2, "--width", 4, "--networks", 8)
    paths = [folder / f"{number}.h5" for number in range(2)]
    for number, path in enumerate(paths):
        loads(command("run", *case, "--shard", f"{number}/2", "-o", path, "--quiet"), ())
        summary = folder / f"s{number}.h5"
        loads(command("run", *case, "--keep", "summary", "--shard", f"{number}/2", "-o", summary, "--quiet"), ())
    loads(command("merge", *paths, "-o", folder / "whole.h5"), ())
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "whole.h5"),
        ("show", "0.h5"),
        ("merge", "s0.h5", "s1.h5", "-o", "again.h5"),  # rows are folded by compiled loops
        ("theory", "--scheme", "lecun_normal", "--activation", "tanh", "--depth", 3, "--width", 8),
        ("export", "whole.h5", "-o", "table.csv"),
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:2])),
)
def test_light_verbs_load_no_numba_while_they_work(arguments, shards):
    words = [shards / word if str(word).endswith((".h5", ".csv")) else word for word in arguments]
    assert not loads(command(*words), ("numba",))


def test_a_run_on_the_processor_loads_nothing_of_cuda(tmp_path):
    small = ("--device", "cpu", "--networks", "2", "--width", "4", "--depth", "2", "--quiet")
    assert not loads(command("run", *small, "-o", tmp_path / "a.h5"), ("numba.cuda", "mcflow.kernels.cuda"))
    assert loads(command("run", *small, "-o", tmp_path / "b.h5"), ("numba", "mcflow.kernels.cpu"))


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


def test_every_folder_of_the_package_is_installed():
    stated = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = [path.parent.relative_to(ROOT).parts for path in (ROOT / "mcflow").rglob("__init__.py")]
    kernels = [("mcflow", *path.parent.relative_to(ROOT).parts) for path in (ROOT / "kernels").rglob("__init__.py")]
    assert stated == {".".join(parts) for parts in (*folders, *kernels)}
