"""Kernels for the GPU kept on disk, without a GPU: real compilers and files; the device takes code and runs none."""

import ast
import importlib.util
import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("numba_cuda") is None,
        reason="numba-cuda is not installed: kernels are not compiled for a GPU (pip install 'mcflow[cuda]')",
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # numba-cuda's own, with NumPy 2.5
]

TESTS = Path(__file__).parents[1]
FACTOR = 2.0


def times(out, factor):
    out[0] = FACTOR * factor + scaled(out[0])  # noqa: F821


def scale(x):
    return x * SCALE  # noqa: F821


def dispatcher(registers=None, factor=FACTOR, scale_by=3.0, inner=True):
    """A kernel that has not met its arguments yet, as another process would have it."""
    from mcflow.kernels.cuda import _compile

    scaled = types.FunctionType(scale.__code__, {"SCALE": scale_by})
    made = _compile.inner(scaled) if inner else _compile.cuda.jit(scaled, device=True)
    return _compile.kernel(types.FunctionType(times.__code__, {"FACTOR": factor, "scaled": made}, "times"), registers)


def compiled(array="float32", number="float32", **how):
    """The same, compiled for an array and a number or read from disk."""
    import numba

    return dispatcher(**how).compile((numba.types.Array(getattr(numba, array), 1, "C"), getattr(numba, number)))


def files():
    from mcflow.kernels.cuda import disk_cache

    return sorted(disk_cache.folder().glob("*")) if disk_cache.folder().exists() else []


def code_of(kernel):
    (cubin,) = kernel.library._cubin_cache.values()
    return bytes(cubin.code)


def test_a_kernel_is_compiled_once_and_read_from_then_on(machine):
    first, second = compiled(), compiled()
    assert len(machine.compiled) == 1
    assert machine.loaded == [first.entry_name] * 2  # onto the device, before the first launch
    assert code_of(first) == code_of(second)
    for name in ("entry_name", "signature", "argument_types", "cooperative", "extensions", "debug"):
        assert getattr(first, name) == getattr(second, name), name
    assert type(first.library._cubin_cache[9, 0, "a"]) is type(second.library._cubin_cache[9, 0, "a"])
    (path,) = files()
    assert path.suffix == ".kernel"
    assert path.parent.parent.name.startswith("kernels-")
    assert b"pickle" not in path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"registers": 32},
        {"array": "float64"},
        {"number": "float64"},
        {"factor": 2.5},
        {"factor": 2},
        {"factor": np.float32(2.0)},
        {"scale_by": 4.0},
        {"scale_by": np.float32(3.0)},
    ],
    ids=str,
)
def test_another_kernel_is_compiled(machine, change):
    compiled(), compiled(**change), compiled(), compiled(**change)
    assert len(machine.compiled) == len(files()) == 2


@pytest.mark.parametrize("what", ["device", "driver", "numpy", "nvidia-nvvm", "numba-cuda", "libraries", "setting"])
def test_another_machine_compiles_its_own(machine, monkeypatch, what):
    import cuda_code
    from mcflow.kernels.cuda import disk_cache

    compiled()
    count = machine.compiled
    if what == "device":
        machine.device = cuda_code._Device((8, 0))
    elif what == "driver":
        monkeypatch.setattr(disk_cache, "_driver", lambda: [13, 1])
    elif what == "setting":
        monkeypatch.setenv("NUMBA_CUDA_FORTRAN", "1")
    else:
        versions = {**disk_cache._versions(), what: "0.0.1"}
        monkeypatch.setattr(disk_cache, "_versions", lambda: versions)
    compiled(), compiled()
    assert len(count) == len(files()) == 2


def test_settings_that_change_no_code_change_no_kernel(machine, monkeypatch):
    compiled()
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    compiled()
    assert len(machine.compiled) == 1


def test_a_kernel_that_calls_what_may_change_is_compiled_each_time(machine):
    """A device function of the user's own keeps what its globals were when it was first compiled, here or there."""
    for _ in range(2):
        compiled(inner=False)
    assert len(machine.compiled) == 2
    assert files() == []


def test_a_kernel_whose_constants_changed_as_it_was_compiled_is_not_kept(machine, monkeypatch):
    from numba.cuda import dispatcher

    counted = dispatcher._Kernel.__init__

    def changed(self, function, *arguments, **options):
        counted(self, function, *arguments, **options)
        function.__globals__["FACTOR"] = 7.0

    monkeypatch.setattr(dispatcher._Kernel, "__init__", changed)
    compiled()
    assert files() == []


@pytest.mark.parametrize("keep", [0, 30, 200, 1000, -1])
def test_a_damaged_file_is_compiled_again_and_mended(machine, keep):
    compiled()
    (path,) = files()
    path.write_bytes(path.read_bytes()[:keep])
    again = compiled()
    assert code_of(compiled()) == code_of(again)
    assert len(machine.compiled) == 2
    assert files() == [path]


@pytest.mark.parametrize("said", [{}, [], {"entry": "walk"}, {"capability": 3}])
def test_a_file_of_another_make_is_compiled_again(machine, said):
    """Whole, under the right key, and nothing that this version understands."""
    from mcflow.kernels.cuda import disk_cache, kernel_files

    read = kernel_files.read
    compiled()
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_files, "read", lambda folder, key: found.append(key) or read(folder, key))
        compiled()
    assert kernel_files.write(disk_cache.folder(), found[0], said, b"code")
    compiled(), compiled()
    assert len(machine.compiled) == 2


def test_code_that_the_device_refuses_is_compiled_again(machine, monkeypatch):
    compiled()
    loads, refused = machine.create_module_image, []

    def refuse_once(cubin, *more):
        if not refused:
            refused.append(cubin)
            raise RuntimeError("CUDA_ERROR_NO_BINARY_FOR_GPU")
        return loads(cubin, *more)

    monkeypatch.setattr(machine, "create_module_image", refuse_once)
    compiled()
    assert refused
    assert len(machine.compiled) == 2


def test_a_numba_cuda_of_other_insides_compiles(machine, monkeypatch):
    from numba.cuda import codegen

    compiled()

    def rebuild(cls, codegen, name, something_new):
        raise AssertionError("not to be called")

    monkeypatch.setattr(codegen.CUDACodeLibrary, "_rebuild", classmethod(rebuild))
    compiled()
    assert len(machine.compiled) == 2


def test_without_a_folder_kernels_are_compiled(machine, monkeypatch, tmp_path):
    from mcflow.kernels.cuda import disk_cache

    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    disk_cache.folder.cache_clear()
    assert disk_cache.folder() is None
    compiled(), compiled()
    assert len(machine.compiled) == 2


def test_a_folder_that_goes_away_is_no_error(machine):
    from mcflow.kernels.cuda import disk_cache

    compiled()
    (path,) = files()
    path.unlink()
    disk_cache.folder().rmdir()
    disk_cache.folder().touch()  # and cannot be made again
    compiled()
    assert len(machine.compiled) == 2


CHILD = """
import sys
sys.path[:0] = [{tests!r}, {here!r}]
import pytest
patch = pytest.MonkeyPatch()
import cuda_code
cuda_code.pretend_a_device(patch)
import test_cuda_disk_cache as tests
{limit}
kernel = tests.compiled()
print([kernel.entry_name, len(tests.code_of(kernel)), kernel.library._ptx_cache == {{}}])
"""


def child(folder, limit=""):
    code = CHILD.format(tests=str(TESTS), here=str(Path(__file__).parent), limit=limit)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process):
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return ast.literal_eval(out.strip().splitlines()[-1])


def test_processes_at_once_and_after_each_other_share_one_file(tmp_path):
    first = [said(process) for process in [child(tmp_path) for _ in range(3)]]
    (path,) = tmp_path.rglob("cuda/*")
    assert len({tuple(each[1:2]) for each in first}) == 1
    again = said(child(tmp_path))
    assert again[1:] == [first[0][1], True]  # read: there is no text of an earlier stage
    assert list(tmp_path.rglob("cuda/*")) == [path]


def test_a_full_disk_leaves_the_run_alone(tmp_path):
    """No file may grow beyond 500 bytes in that process."""
    limit = "import resource; tests.files(); resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))"
    assert said(child(tmp_path, limit))[2] is False
    assert list(tmp_path.rglob("cuda/*")) == []
    assert said(child(tmp_path))[2] is False
    assert said(child(tmp_path))[2] is True


def test_a_whole_kernel_is_read_as_it_was_compiled(machine):
    import cuda_code
    from mcflow.kernels.cuda import activations, build

    plan = build.plan_for("collapsed", "normal", False, 1, False, [64], [64])
    types_of = cuda_code.signature().args
    first, second = (build._assemble(plan, activations.code_of("relu")).compile(types_of) for _ in range(2))
    assert len(machine.compiled) == 1
    assert code_of(first) == code_of(second)
    assert first.signature == second.signature


def in_threads(number, work):
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_that_ask_for_one_case_get_one_kernel(machine):
    from mcflow.kernels.cuda import activations, build

    plan = build.plan_for("collapsed", "normal", False, 1, False, [64], [64])
    code, found = activations.code_of("relu"), []
    in_threads(8, lambda: found.append(build.kernel_for(plan, "relu in threads", code)))
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


class OnDevice:
    """Stands for an array on the device, of which a kernel that is made ready sees the type alone."""

    def __init__(self, kind):
        self._numba_type_ = kind


def test_a_kernel_made_ready_by_several_threads_is_compiled_once_for_its_arguments(machine):
    import numba
    from mcflow.kernels.cuda import build

    kernel = dispatcher()
    arguments = OnDevice(numba.types.Array(numba.float32, 1, "C")), np.float32(1.0)
    in_threads(4, lambda: build.make_ready(kernel, *arguments))
    assert len(machine.compiled) == 1
    assert list(kernel.overloads) == [(arguments[0]._numba_type_, numba.float32)]


def test_doctor_shows_the_folder_and_what_it_holds(machine, monkeypatch):
    from mcflow.kernels.cuda import disk_cache

    from mcflow.sampling import cuda_detection

    nothing = {"reason": "none", "devices": [], "numba_cuda": "0"}
    monkeypatch.setattr(cuda_detection, "_seen_at_once", lambda: nothing)
    shown = cuda_detection.describe()
    assert (shown["cached_kernels"], shown["cached_MB"]) == (0, 0.0)
    compiled(), compiled(registers=32)
    (disk_cache.folder() / "large.kernel").write_bytes(bytes(2_340_000))
    shown = cuda_detection.describe()
    assert shown["kernel_cache"] == str(disk_cache.folder())
    assert (shown["cached_kernels"], shown["cached_MB"]) == (3, 2.4)
