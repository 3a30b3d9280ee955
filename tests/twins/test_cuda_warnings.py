"""numba-cuda's own warnings do not reach a user's terminal; whatever else warns still does."""

import importlib
import importlib.util
import os
import subprocess
import sys
import warnings

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed: it cannot warn"
)


def test_a_launch_of_few_blocks_is_not_warned_of_and_other_slowness_is():
    from mcflow.kernels.cuda import _compile
    from numba.cuda.core.errors import NumbaPerformanceWarning

    def nothing():
        pass

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _compile.cuda.jit(nothing)[8, 256]
        config = _compile.cuda.dispatcher.config
        config.CUDA_LOW_OCCUPANCY_WARNINGS = 1  # as it is where mcflow is not there
        try:
            with pytest.raises(NumbaPerformanceWarning, match="Grid size 8"):
                _compile.cuda.jit(nothing)[8, 256]
        finally:
            config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
        assert config.CUDA_WARN_ON_IMPLICIT_COPY  # an array of the host's in a kernel is a fault, and is said
        with pytest.raises(NumbaPerformanceWarning, match="copy overhead"):
            warnings.warn(NumbaPerformanceWarning("copy overhead"), stacklevel=1)


@pytest.mark.parametrize(("kind", "is_silent"), [(DeprecationWarning, True), (UserWarning, False)])
def test_what_numba_cuda_deprecates_while_it_is_imported_is_silent_and_no_other_warning(monkeypatch, kind, is_silent):
    from mcflow.kernels.cuda import _compile

    import_module, met = importlib.import_module, []

    def warned(name):
        met.append(name)
        warnings.warn(kind("NumPy 2.5 deprecates this"), stacklevel=1)
        return import_module(name)

    monkeypatch.setattr(_compile.importlib, "import_module", warned)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if is_silent:
            assert _compile._import_cuda() is _compile.cuda
        else:
            with pytest.raises(kind, match=r"NumPy 2\.5 deprecates this"):
                _compile._import_cuda()
        with pytest.raises(DeprecationWarning):  # afterwards it is an error again
            warnings.warn("later", DeprecationWarning, stacklevel=1)
    assert met[0] == "numba.cuda"


def test_importing_and_compiling_warns_of_nothing():
    """In a process of its own, with every warning an error from the start."""
    text = (
        "import sys; sys.path[:0] = sys.argv[1:]; import cuda_code\n"
        "from mcflow.kernels.cuda import activations, build\n"
        "plan = build.plan_for('collapsed', 'normal', False, 1, True, [64, 64], [64, 64])\n"
        "assert cuda_code.kernel_ptx(plan, activations.code_of('relu'), (9, 0))\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONWARN")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text, *sys.path], env=environment, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
