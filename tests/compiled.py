"""The kernels' inner functions, which only compiled code calls, with an entry for Python."""

import functools

import numba
from mcflow.kernels.cpu._compile import JIT_IS_OFF
from mcflow.kernels.cpu._pipelines import WholeRegisters


@functools.cache
def entry(function):
    """An inner function compiled by itself, with the flags it has and what it calls inside it."""
    if JIT_IS_OFF:
        return function
    options = {**function.targetoptions, "no_cpython_wrapper": False, "forceinline": False}
    return numba.jit(function.py_func, pipeline_class=WholeRegisters, **options)
