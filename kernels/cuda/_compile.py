"""How kernels become CUDA code: numba.cuda imported safely, bodies compiled for it, templates put together."""

import contextlib
import importlib
import types
import warnings
import weakref

import numba
import numpy

from ..body import scalars
from . import disk_cache

SIMULATED = bool(numba.config.ENABLE_CUDASIM)


def _import_cuda():
    """``numba.cuda``; under NumPy 2.5 numba-cuda looks for ``row_stack``, which is lent to it while it is imported.

    What looks for it is a module that numba-cuda would import with the first kernel.
    """
    lend = not SIMULATED and not hasattr(numpy, "row_stack")
    names = vars(numpy)  # by its name as text: linters rewrite ``numpy.row_stack`` to ``numpy.vstack``
    if lend:
        names["row_stack"] = numpy.vstack
    try:
        with warnings.catch_warnings():  # numba-cuda makes a NumPy number whose kind NumPy 2.5 deprecates
            warnings.simplefilter("ignore", DeprecationWarning)
            cuda = importlib.import_module("numba.cuda")
            if not SIMULATED:  # now, and not at the first kernel; earlier releases have no such module
                with contextlib.suppress(ModuleNotFoundError):
                    importlib.import_module("numba.cuda.np.arrayobj")
        if not SIMULATED and not hasattr(cuda, "libdevice"):  # the target inside numba itself has none
            raise ImportError("the GPU's kernels need numba-cuda, which mcflow[cuda] brings")
        return cuda
    finally:
        if lend:
            del names["row_stack"]


def _launch_small_grids(cuda):
    """numba-cuda warns of every grid of under 128 blocks, in the user's terminal: a small study has no more work."""
    if not SIMULATED:
        cuda.dispatcher.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0


cuda = _import_cuda()
_launch_small_grids(cuda)
bits_of = scalars.bits_of if SIMULATED else cuda.libdevice.float_as_int
float_of = scalars.float_of if SIMULATED else cuda.libdevice.int_as_float


_inner = weakref.WeakSet()


def inner(function):
    """Compile a function that only kernels call. The simulator runs it as it is: its globals are its kernel's."""
    if SIMULATED:
        return function
    compiled = cuda.jit(function, device=True)
    _inner.add(compiled)
    return compiled


def _function_in(value):
    """The plain function in one that ``inner`` made; None in any other value."""
    return value.py_func if isinstance(value, cuda.dispatcher.CUDADispatcher) and value in _inner else None


def kernel(function, registers=None):
    """Compile a kernel for launches from Python, once for each machine: its code is kept on disk.

    ``registers`` is how many a thread may have: what they do not hold spills.
    """
    if SIMULATED:
        return cuda.jit(function)
    options = {} if registers is None else {"max_registers": registers}
    return disk_cache.keep(cuda.jit(function, **options), _function_in)


def _copy(function, namespace):
    copy = types.FunctionType(
        function.__code__, namespace, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    return copy


def _functions_of(module):
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, types.FunctionType) and value.__module__ == module.__name__
    }


def compile_body(*modules, **replacements):
    """The plain functions of body modules compiled for the GPU, by name (see ``kernels/cpu/_compile.py`` for the twin).

    The two bit casts become instructions; the simulator keeps those of ``body/scalars.py``, which look at NumPy's bits.
    """
    if SIMULATED:
        return types.SimpleNamespace(**{name: f for module in modules for name, f in _functions_of(module).items()})
    compiled = {"bits_of": bits_of, "float_of": float_of, **replacements}
    for module in modules:
        for name, function in _functions_of(module).items():
            if name not in compiled:
                compiled[name] = inner(_copy(function, {**vars(module), **compiled}))
    return types.SimpleNamespace(**compiled)


def _together(modules, replaced):
    """The names of all modules as one namespace; ValueError where two modules mean different things by one name.

    Placeholders may differ where ``replaced`` has the name.
    """
    namespace, homes = {}, {}
    for module in modules:
        for name, value in vars(module).items():
            if name.startswith("__") or name in replaced:
                continue
            if name in homes and not _is_same(namespace[name], value):
                raise ValueError(
                    f"{homes[name].__name__} and {module.__name__} each have their own {name!r}: a kernel sees one; "
                    "rename one of them, or import it"
                )
            namespace[name] = value
            homes.setdefault(name, module)
    return namespace


def _is_same(one, other):
    """Whether it makes no difference which of the two a kernel sees: one object, or equal numbers of one type."""
    numbers = (bool, int, float, numpy.number)
    return one is other or (isinstance(one, numbers) and type(one) is type(other) and one == other)


def assemble(template, registers, *modules, **names):
    """A kernel of its own from a template: the functions of ``modules`` see each other and ``names`` as globals.

    ``registers`` is that of ``kernel``.

    ``names`` may hold plain functions, which are compiled like the modules' own, and replace theirs. One namespace
    for all: the simulator puts its threads into the globals of the kernel alone. ValueError where two modules mean
    different things by one name that ``names`` does not give.
    """
    namespace = _together(modules, names) | names
    own = {name: f for module in modules for name, f in _functions_of(module).items() if name not in names}
    own |= {name: f for name, f in names.items() if isinstance(f, types.FunctionType) and "cuda" in f.__globals__}
    for name, function in own.items():
        namespace[name] = inner(_copy(function, namespace))
    return kernel(_copy(template, namespace), registers)
