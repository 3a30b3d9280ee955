"""Compiled kernels kept on disk: where a dispatcher of numba-cuda looks before it compiles, and leaves what it made.

numba-cuda's own cache goes by signature, bytecode and closure alone, so that all kernels of one template are one to it;
pickles; keeps the text of every stage (5 MB a kernel); and lets a damaged file or a full disk end a run. This one goes
by all that machine code depends on, and keeps the machine code. Whatever cannot be read, understood or written, or
depends on something that may change, means that the kernel is compiled.
"""

import contextlib
import functools
import importlib
import inspect
import logging
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import numba
import numpy

from ..cache_folder import folder_for
from . import kernel_files
from .fingerprint import fingerprint

_log = logging.getLogger(__name__)

# The toolkit that compiles comes as packages, or is the system's: then its libraries are told apart by their sizes.
_PACKAGES = (
    "numba-cuda", "llvmlite", "cuda-bindings", "cuda-core", "cuda-pathfinder", "cuda-toolkit", "nvidia-nvvm",
    "nvidia-nvjitlink", "nvidia-cuda-nvcc", "nvidia-cuda-nvrtc", "nvidia-nvjitlink-cu12", "nvidia-cuda-nvcc-cu12",
    "nvidia-cuda-nvrtc-cu12",
)  # fmt: skip
_LIBRARIES = ("nvvm", "nvrtc", "nvJitLink")
_DRIVER = (Path("/proc/driver/nvidia/version"), Path("/sys/module/nvidia/version"))
# Of Numba's settings those that change no code; any other makes it another kernel.
_WITHOUT_EFFECT = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER", "NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS")
_CUDA_ARRAYS_AND_FILES = ("_linking_files", "referenced_objects", "_setup_functions", "_teardown_functions")


@functools.cache
def folder():
    """Where kernels are kept, beside those of the processor; None where nothing can be written, or is compiled."""
    if numba.config.ENABLE_CUDASIM:
        return None
    found = folder_for(numba.__version__)
    return found / "cuda" if found else None


def keep(dispatcher, function_in):
    """Let a kernel's ``dispatcher`` keep its machine code on disk; returns it. For ``function_in`` see fingerprint."""
    if folder() is not None and hasattr(dispatcher, "_cache"):
        dispatcher._cache = _Cache(dispatcher, function_in)
    return dispatcher


class _Cache:
    """What a dispatcher asks for a kernel of a signature, and tells of one that it compiled."""

    def __init__(self, dispatcher, function_in):
        self.function, self.options = dispatcher.py_func, dispatcher.targetoptions
        self.function_in = function_in
        self.asked = {}  # keys as they were before compiling, by signature

    @property
    def cache_path(self):
        return str(folder())

    def load_overload(self, signature, target_context):
        """The kernel, loaded onto the device; None where it is to be compiled."""
        arguments = _arguments_of(signature)
        try:
            key = self.asked[arguments] = self.key(arguments)
            found = kernel_files.read(folder(), key)
            if found is None:
                return None
            kernel = _kernel_of(*found, arguments)
            kernel.bind()
            return kernel
        except Exception as error:  # of numba-cuda's insides, of the driver, of what was kept: compiling will do
            _log.debug("a kept kernel is not used: %s", error)
            return None

    def save_overload(self, signature, kernel):
        """Keep the kernel, if it is all machine code and what it reads is still what it was before."""
        arguments = _arguments_of(signature)
        try:
            key = self.asked.pop(arguments, None)
            if key is not None and key == self.key(arguments):
                kernel_files.write(folder(), key, *_said_of(kernel))
        except Exception as error:
            _log.debug("a kernel is not kept: %s", error)

    def key(self, arguments):
        """All that the machine code depends on, as plain data; raises where that cannot be said."""
        options = {name: value for name, value in self.options.items() if value not in (None, (), [])}
        return {
            "kernels": folder().parent.name,
            "reads": fingerprint(self.function, self.function_in),
            "arguments": [str(kind) for kind in arguments],
            "options": {name: _plain(value) for name, value in sorted(options.items())},
            "device": _capability(),
            "driver": _driver(),
            "versions": _versions(),
            "settings": {
                name: value
                for name, value in sorted(os.environ.items())
                if name.startswith("NUMBA_") and name not in _WITHOUT_EFFECT
            },
        }

    def enable(self):
        pass

    def disable(self):
        self.load_overload = self.save_overload = lambda *_: None

    def flush(self):
        for key in self.asked.values():
            kernel_files.forget(folder(), key)


def _arguments_of(signature):
    return tuple(getattr(signature, "args", signature))


def _plain(value):
    if not isinstance(value, bool | int | float | str):
        raise ValueError(f"{value!r} is no plain option")
    return value


def _capability():
    return list(importlib.import_module("numba.cuda").get_current_device().compute_capability)


def _driver():
    """CUDA's number of the driver, and its release as far as the system tells it."""
    number = importlib.import_module("numba.cuda.cudadrv.driver").driver.get_version()
    texts = []
    for path in _DRIVER:
        with contextlib.suppress(OSError):
            texts.append(path.read_text(errors="replace").strip())
    return [list(number), *texts]


@functools.cache
def _versions():
    modules = {"python": sys.version, "machine": platform.machine(), "numba": numba.__version__}
    packages = {name: _version(name) for name in _PACKAGES}
    runtime = importlib.import_module("numba.cuda").runtime.get_version()
    libraries = {name: _size(name) for name in _LIBRARIES}
    return {**modules, "numpy": numpy.__version__, **packages, "toolkit": list(runtime), "libraries": libraries}


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _size(library):
    """Bytes of a library of the toolkit's; 0 where it is not found by name."""
    try:
        pathfinder = importlib.import_module("cuda.pathfinder")
        return os.stat(pathfinder.load_nvidia_dynamic_lib(library).abs_path).st_size
    except Exception:  # no such module in earlier releases, no such library
        return 0


def _said_of(kernel):
    """What is to be known of a kernel's code, as plain data, and the code; ValueError where there is more to it."""
    library = kernel.library
    linked = [name for name in _CUDA_ARRAYS_AND_FILES if getattr(library, name, None)]
    if linked or library.needs_cudadevrt or library.use_cooperative or kernel.debug or kernel.extensions:
        raise ValueError("the kernel is more than its machine code")
    if getattr(kernel, "launch_config_sensitive", False) or getattr(kernel, "shared_memory_carveout", None) is not None:
        raise ValueError("the kernel hangs on how it is launched")
    ((capability, cubin),) = library._cubin_cache.items()
    is_object = not isinstance(cubin, bytes | bytearray)
    said = {"name": library.name, "entry": library._entry_name, "capability": list(capability), "is_object": is_object}
    return said, bytes(cubin.code if is_object else cubin)


def _kernel_of(said, code, arguments):
    """The kernel of numba-cuda that ``_said_of`` took apart, which the current device has yet to load."""
    module = importlib.import_module("numba.cuda.dispatcher")
    codegen = importlib.import_module("numba.cuda.codegen")
    if said["is_object"]:
        code = importlib.import_module("numba.cuda.cudadrv.driver").ObjectCode.from_cubin(code, name=said["name"])
    library = _rebuilt(
        codegen.CUDACodeLibrary,
        codegen=None,
        name=said["name"],
        entry_name=said["entry"],
        llvm_strs=[],
        ptx_cache={},
        cubin_cache={tuple(said["capability"]): code},
        linkerinfo_cache={},
        max_registers=None,
        nvvm_options={},
        needs_cudadevrt=False,
        nrt=False,
        use_cooperative=False,
        lto=False,
    )
    return _rebuilt(
        module._Kernel,
        cooperative=False,
        name=said["entry"],
        signature=module.typing.signature(module.types.none, *arguments),
        codelibrary=library,
        debug=False,
        lineinfo=False,
        call_helper=None,
        extensions=[],
        shared_memory_carveout=None,
        launch_config_sensitive=False,
    )


def _rebuilt(kind, **parts):
    """An object of numba-cuda's by its own way of reading one back; KeyError where it asks for what we do not know."""
    return kind._rebuild(**{name: parts[name] for name in inspect.signature(kind._rebuild).parameters})
