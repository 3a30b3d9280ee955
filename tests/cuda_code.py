"""Kernels as the compiler makes them, without a GPU: PTX for a compute capability, and what becomes of that."""

from __future__ import annotations

import re

import numba
from mcflow.kernels.cuda import build, fold, launch
from mcflow.kernels.cuda._compile import cuda
from mcflow.kernels.cuda.tuples import Address, Architecture, Inputs, Nonlinearity, Results, Scratch
from numba import types


class _Device:
    """Stands for the current device while a kernel is compiled for another machine."""

    id = 0

    def __init__(self, cc):
        self.compute_capability = cc


def _array(kind, dimensions):
    return types.Array(kind, dimensions, "C")


def signature():
    """The types with which every kernel is launched."""
    i32, f32, i64 = numba.int32, numba.float32, numba.int64
    line = _array(i32, 1)
    return types.void(
        types.NamedTuple([types.UniTuple(numba.uint32, 20), i64, i64, i64], Address),
        types.NamedTuple([line, line, _array(f32, 1), line, _array(f32, 1), _array(i32, 2)], Architecture),
        types.NamedTuple([_array(f32, 1), i64, i64], Inputs),
        types.NamedTuple([f32, f32, _array(f32, 2), types.boolean, _array(f32, 2)], Nonlinearity),
        types.NamedTuple([_array(f32, 3), _array(i32, 3), _array(i32, 3), line], Results),
        types.NamedTuple([_array(f32, 2), _array(i32, 3), i64, i64], Scratch),
    )


def kernel_ptx(plan, code, cc):
    """The PTX of a plan's kernel for an activation's code and a compute capability."""
    return ptx_of(build._assemble(plan, code).py_func, signature(), cc)


def ptx_of(function, types_of_arguments, cc):
    """The PTX of any kernel."""
    from numba.cuda import compiler, dispatcher

    before = compiler.get_current_device, dispatcher.get_current_device
    compiler.get_current_device = dispatcher.get_current_device = lambda: _Device(cc)
    try:
        return cuda.compile_ptx(function, types_of_arguments, cc=cc)[0]
    finally:
        compiler.get_current_device, dispatcher.get_current_device = before


def fold_ptx(template, cc):
    """The PTX of ``fold_groups`` or ``count_waiting``."""
    i32, f64, i64 = numba.int32, numba.float64, numba.int64
    types_of = [
        types.NamedTuple([_array(i32, 2), _array(i32, 2), _array(f64, 1), _array(f64, 2), _array(i32, 2)], fold.Recipe),
        types.NamedTuple([i64, i64, _array(f64, 4), _array(i32, 4), _array(types.boolean, 3)], fold.Groups),
        _array(numba.float32, 3),
        _array(i32, 3),
    ]
    if template is fold.count_waiting:
        types_of.append(types.NamedTuple([_array(i32, 1), *[_array(i64, 2)] * 3], fold.Table))
    return ptx_of(launch._assembled(template).py_func, types.void(*types_of), cc)


def instructions(ptx):
    """The instructions of a kernel that compute: without parameters, stores and addresses."""
    lines = [line.strip() for line in ptx[ptx.index(".entry") :].splitlines()]
    passive = (".", "//", "ld.param", "st.", "cvta", "ret")
    return [line for line in lines if line.endswith(";") and not line.startswith(passive)]


def assembled(ptx, cc, registers):
    """Registers, bytes of stack, spilled and shared of the machine code of ``ptx``; see ``machine_code_of``."""
    _, text = machine_code_of(ptx, cc, registers)
    found = {name: [int(n) for n in re.findall(pattern, text)] for name, pattern in _SAID.items()}
    return {name: max(numbers, default=0) for name, numbers in found.items()}


def machine_code_of(ptx, cc, registers):
    """The machine code of ``ptx``, and what the assembler says of it; needs nvJitLink, no driver."""
    from cuda.bindings import nvjitlink

    options = [f"-arch=sm_{cc[0]}{cc[1]}", "-verbose", "-Xptxas=-v", f"-maxrregcount={registers}"]
    handle = nvjitlink.create(len(options), options)
    try:
        code = ptx.encode()
        nvjitlink.add_data(handle, nvjitlink.InputType.PTX, code, len(code), "kernel")
        nvjitlink.complete(handle)
        log = bytearray(nvjitlink.get_info_log_size(handle))
        nvjitlink.get_info_log(handle, log)
        code = bytearray(nvjitlink.get_linked_cubin_size(handle))
        nvjitlink.get_linked_cubin(handle, code)
    finally:
        nvjitlink.destroy(handle)
    return bytes(code), log.decode(errors="replace")


_SAID = {
    "registers": r"(\d+) registers",
    "stack": r"(\d+) bytes stack frame",
    "spilled": r"(\d+) bytes spill stores",
    "shared": r"(\d+) bytes smem",
}


class _Function:
    def __init__(self, module, name):
        self.module, self.name = module, name


class _Module:
    """Machine code as a device would hold it."""

    initialized = True

    def __init__(self, cubin, name):
        if name.encode() not in cubin.code:
            raise ValueError(f"there is no {name} in this code")
        self.code = cubin.code


class PretendedContext:
    """A device that takes machine code and runs none of it. ``loaded`` are the entries that it was given."""

    def __init__(self, cc):
        self.device, self.loaded = _Device(cc), []

    def create_module_image(self, cubin, *_):
        context = self

        class Loading:
            def get_function(self, name):
                context.loaded.append(name)
                return _Function(_Module(cubin, name), name)

        return Loading()


def pretend_a_device(monkeypatch, cc=(9, 0), driver=(13, 0)):
    """Let kernels be compiled to machine code and kept as on a machine with a GPU of this kind; returns its context.

    Pretended: which device there is, its driver's version, and that machine code is loaded. The compilers are real.
    """
    from mcflow.kernels.cuda import disk_cache
    from numba.cuda import compiler, dispatcher
    from numba.cuda.cudadrv import devices

    context = PretendedContext(cc)
    for module in (compiler, dispatcher, cuda):
        monkeypatch.setattr(module, "get_current_device", lambda: context.device)
    monkeypatch.setattr(devices, "get_context", lambda *_: context)
    monkeypatch.setattr(disk_cache, "_driver", lambda: list(driver))
    return context
