"""How kernels are compiled: flags, the disk cache, and the building of scalar bodies for one compiler."""

from __future__ import annotations

import contextlib
import gc
import threading
import types

import numba
from llvmlite import ir
from numba.core import types as numba_types
from numba.extending import intrinsic

from ..cache_folder import folder_for
from ._pipelines import InsideOthers, WholeRegisters

# Never fastmath=True: it drops NaN tests. Contraction to fused multiply-add everywhere; sums may be reassociated only
# in the loops that ask for it, whose order is then fixed by the vector width and so by the kind of machine.
# Nobody asks for the C entry that Numba would compile for each function too.
EXACT = {
    "error_model": "numpy",
    "fastmath": {"contract"},
    "nogil": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": WholeRegisters,
}
SUMS = {**EXACT, "fastmath": {"contract", "reassoc", "nsz"}}
PLAIN = {**EXACT, "fastmath": False}  # every operation rounded by itself, as NumPy's are

# Functions that allocate nothing are compiled without reference counts: each look at an array of a NamedTuple would
# otherwise cost two atomic operations, a third of the time of a narrow layer.
WITHOUT_COUNTS = {"_nrt": False}

FLOATS = numba_types.CPointer(numba.float32)  # an array, as a loop that is called by address takes it
JIT_IS_OFF = bool(numba.config.DISABLE_JIT)


CACHE_FOLDER = None if JIT_IS_OFF else folder_for(numba.__version__)
_pointing = threading.RLock()


@contextlib.contextmanager
def _cached():
    """Point Numba's cache at our folder while a function is decorated: the place is chosen then.

    By one thread at a time: the setting is the whole process's, and Numba reads it twice. Another thread that put it
    back in between would have the cache made in the working directory.
    """
    with _pointing:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(CACHE_FOLDER or before)
        try:
            yield CACHE_FOLDER is not None
        finally:
            numba.config.CACHE_DIR = before


_OBJECTS = 50_000  # made between two looks for garbage while something is compiled
_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def _compiling():
    """While Numba makes its millions of objects, look through them less often: a tenth of its time goes there else."""
    with _one_at_a_time:
        before = gc.get_threshold()
        gc.set_threshold(max(before[0], _OBJECTS) if before[0] else 0, *before[1:])  # 0: never, and it stays so
        try:
            yield
        finally:
            gc.set_threshold(*before)


def kernel(*, sums: bool = False, plain: bool = False):
    """Decorate a loop of ``kernels/cpu``; the compiled code is kept on disk."""

    def decorate(function):
        with _cached() as cache:
            flags = SUMS if sums else PLAIN if plain else EXACT
            return numba.njit(function, cache=cache, **flags)

    return decorate


def inner(function=None, *, sums: bool = False, allocates: bool = False, always_inline: bool = False):
    """Decorate a function that only compiled code calls (see ``InsideOthers``); called from Python it is a TypeError.

    A literal argument has a version of its own compiled for it: where other calls pass a variable, zero is written
    np.int64(0).
    """
    if function is None:
        return lambda function: inner(function, sums=sums, allocates=allocates, always_inline=always_inline)
    flags = {**(SUMS if sums else EXACT), **({} if allocates else WITHOUT_COUNTS)}
    flags |= {"no_cpython_wrapper": True, "forceinline": always_inline, "pipeline_class": InsideOthers}
    return numba.njit(function, **flags)


def _without_nogil(flags):
    """What numba.cfunc takes of the flags: its functions hold no lock in the first place."""
    return {key: value for key, value in flags.items() if key != "nogil"}


def loop(*argument_types, cache: bool = True, sums: bool = False):
    """Decorate a loop over raw pointers that kernels call by its ``address`` (see ``call``), compiled by itself.

    Numba optimises a kernel together with everything it calls, at each level of the calls again; loops called by
    address are compiled once, alone, and only those that are met: one activation, one distribution.
    """

    def decorate(function):
        with _cached() as can_cache, _compiling():
            flags = _without_nogil(SUMS if sums else EXACT)
            return numba.cfunc(numba_types.void(*argument_types), cache=cache and can_cache, **flags)(function)

    return decorate


_units: dict = {}


def unit_for(function, *examples, lean: bool = False) -> int:
    """Compile ``function`` for the types of the example arguments as a unit of its own; returns its address.

    For ``call_unit``: the arguments may be arrays and NamedTuples of them. Kept on disk like kernels. ``lean`` for
    functions that allocate nothing (see ``WITHOUT_COUNTS``).
    """
    kinds = tuple(numba.typeof(example) for example in examples)
    if (function, kinds) not in _units:
        with _cached() as cache, _compiling():
            flags = _without_nogil({**EXACT, **(WITHOUT_COUNTS if lean else {})})
            decorate = numba.cfunc(numba_types.void(*kinds), cache=cache, **flags)
            _units[function, kinds] = decorate(function)
    return _units[function, kinds].address


def copy_with(function, name: str, **names):
    """A copy of ``function`` called ``name`` that sees ``names`` as globals too: how a template gets its body.

    Not a closure: Numba's disk cache never hits for those over compiled functions. It goes by file and name.
    """
    copy = types.FunctionType(function.__code__, {**function.__globals__, **names}, name, function.__defaults__)
    copy.__module__, copy.__qualname__ = function.__module__, f"{function.__name__}_{name}"
    return copy


def compile_body(*modules: types.ModuleType, **replacements):
    """Compile the plain functions of body modules for the CPU and return them by name.

    The functions of a module call each other by global name; each is compiled from a copy whose globals hold the
    compiled ones (and ``replacements``), in the order of definition. Inlining is left to LLVM, and forced.
    """
    compiled = {"bits_of": bits_of, "float_of": float_of, **replacements}
    for module in modules:
        for name, value in list(vars(module).items()):
            if isinstance(value, types.FunctionType) and value.__module__ == module.__name__ and name not in compiled:
                namespace = {**vars(module), **compiled}
                copy = types.FunctionType(value.__code__, namespace, name, value.__defaults__, value.__closure__)
                copy.__module__, copy.__qualname__ = value.__module__, value.__qualname__
                compiled[name] = inner(copy, always_inline=True)
    return types.SimpleNamespace(**compiled)


@intrinsic
def bits_of(typing_context, x):
    """The 32 bits of a float32 as int32."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(32))

    return numba_types.int32(numba_types.float32), generate


@intrinsic
def float_of(typing_context, i):
    """The float32 that has the 32 bits of an int32."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return numba_types.float32(numba_types.int32), generate


@intrinsic
def bits_of_double(typing_context, x):
    """The 64 bits of a float64 as int64."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return numba_types.int64(numba_types.float64), generate


@intrinsic
def double_of_bits(typing_context, i):
    """The float64 that has the 64 bits of an int64."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return numba_types.float64(numba_types.int64), generate


@intrinsic
def add_atomically(typing_context, counter, value):
    """Add to the first element of an int64 array that threads share; returns what stood there."""
    signature = numba_types.int64(counter, numba_types.int64)

    def generate(context, builder, signature, values):
        array = context.make_array(signature.args[0])(context, builder, values[0])
        return builder.atomic_rmw("add", array.data, values[1], "monotonic")

    return signature, generate


@intrinsic
def call(typing_context, address, arguments):
    """Call the loop at ``address`` with a tuple of arguments; arrays arrive as pointers to their first element."""
    signature = numba_types.void(address, arguments)

    def generate(context, builder, signature, values):
        address, packed = values
        passed = []
        for i, kind in enumerate(arguments.types):
            value = builder.extract_value(packed, i)
            if isinstance(kind, numba_types.Array):
                value = context.make_array(kind)(context, builder, value).data
            passed.append(value)
        shape = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
        builder.call(builder.inttoptr(address, shape.as_pointer()), passed)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def call_unit(typing_context, address, arguments):
    """Call the unit at ``address`` (see ``unit_for``) with a tuple of arguments of just those types."""
    signature = numba_types.void(address, arguments)

    def generate(context, builder, signature, values):
        address, packed = values
        passed = [builder.extract_value(packed, i) for i in range(len(arguments.types))]
        shape = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
        builder.call(builder.inttoptr(address, shape.as_pointer()), passed)
        return context.get_dummy_value()

    return signature, generate
