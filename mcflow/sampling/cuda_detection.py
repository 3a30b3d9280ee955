"""Whether a GPU can be used, and if not, why not and what to install. Nothing of CUDA is loaded into this process."""

from __future__ import annotations

import ctypes
import functools
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from mcflow.sampling import cuda_verdict

KNOWN_WORDS = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]  # Philox of zeros, published with the algorithm
_PATIENCE = 180.0  # seconds for a child that imports, compiles and launches one kernel
_INSTALL = "pip install 'mcflow[cuda]'"
_DRIVER = "install NVIDIA's driver (580 or newer for CUDA 13) and check it with nvidia-smi"


def simulated() -> bool:
    """Whether Numba's CUDA simulator stands for the device, as it does in tests."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def quick_reason() -> str:
    """Why there can be no GPU, as far as that is seen at once: no driver, or devices hidden. Else an empty string."""
    if simulated():
        return ""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={visible!r} hides every device; unset it or name one"
    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            ctypes.CDLL(name)
            return ""
        except OSError:
            continue
    return f"there is no NVIDIA driver (libcuda.so.1 is not found); {_DRIVER}"


@functools.cache
def examine() -> dict[str, Any]:
    """What was found: ``reason`` why not (empty where a kernel ran) and, as far as it got, versions and devices.

    A child process compiles and runs one kernel, unless it is remembered that it did: a driver that is there does not
    mean that a kernel works.
    """
    found = _seen_at_once()
    if found["reason"]:
        return found
    key = cuda_verdict.key()
    known = cuda_verdict.remembered(key)
    if known is None:
        known = _tried()
        cuda_verdict.remember(key, known)
    return found | known


def _seen_at_once() -> dict[str, Any]:
    found: dict[str, Any] = {"reason": quick_reason(), "devices": []}
    try:
        found["numba_cuda"] = metadata.version("numba-cuda")
    except metadata.PackageNotFoundError:
        found["numba_cuda"] = f"not installed; {_INSTALL}"
    return found


def _tried() -> dict[str, Any]:
    """What a child says that tries a kernel."""
    search = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-P", "-m", "mcflow.sampling.cuda_detection"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
            env=dict(os.environ, PYTHONPATH=search),
        )
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        return _none(f"a first kernel did not end within {_PATIENCE:.0f} s; look at nvidia-smi")
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return _none(f"the process that tries a first kernel died ({last}); {_DRIVER}")
    return {"devices": [], **found}


def _none(reason: str) -> dict[str, Any]:
    return {"reason": reason, "devices": []}


def reason() -> str:
    """Why no GPU can be used, with what to install; an empty string where one works."""
    return str(examine()["reason"])


def count() -> int:
    """How many GPUs this process sees, which numbers may name; under the simulator as many as are asked for."""
    return 1000 if simulated() else len(examine()["devices"])


def describe() -> dict[str, Any]:
    """Whether GPUs work, which there are, the version of numba-cuda, and what is remembered, in words; tried anew."""
    found, kept = _seen_at_once(), "no: no first kernel was tried"
    if not found["reason"]:
        key = cuda_verdict.key()
        found |= _tried()
        if cuda_verdict.remember(key, found):
            kept = f"yes, for {cuda_verdict.LASTS / 3600:.0f} hours: runs need not try a first kernel"
        elif found["reason"]:
            kept = "no: a kernel that fails is tried again by every run"
        else:
            kept = "no: the folder of caches cannot be written, and every run tries a first kernel"
    devices = [", ".join(f"{key} {value}" for key, value in device.items()) for device in found["devices"]]
    works = "yes" if not found["reason"] else f"no: {found['reason']}"
    said = {"works": works, "devices": devices, "numba_cuda": found["numba_cuda"], "remembered": kept}
    return said | _kept_kernels()


def try_here() -> dict[str, Any]:
    """Try a kernel in this process, which is to be a child: importing, driver, device, toolkit, compiling, running."""
    try:
        from mcflow.kernels.cuda._compile import cuda
    except ImportError as error:
        return {"reason": f"numba.cuda cannot be imported ({_line(error)}); {_INSTALL}"}
    if not simulated():
        if not cuda.is_available():
            problem = cuda.cuda_error() if hasattr(cuda, "cuda_error") else None
            return {"reason": f"the NVIDIA driver does not start ({_line(problem or 'no device')}); {_DRIVER}"}
        try:
            devices = [_describe(cuda, number) for number in range(len(cuda.gpus))]
        except Exception as error:
            return {"reason": f"the driver names no device ({_line(error)}); {_DRIVER}"}
    else:
        devices = [{"name": "simulator"}]
    found: dict[str, Any] = {"devices": devices}
    try:
        from mcflow.kernels.cuda import smoke

        words = smoke.words()
    except Exception as error:
        return found | {"reason": _why_no_kernel(error)}
    if words != KNOWN_WORDS:
        return found | {"reason": f"a first kernel gave wrong numbers ({words}); {_INSTALL} in a fresh environment"}
    return found | {"reason": ""}


def _why_no_kernel(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    if "row_stack" in text:
        return f"numba-cuda does not compile with this NumPy ({_line(error)}); pip install 'numpy<2.5', or {_INSTALL}"
    if any(word in text for word in ("DynamicLibNotFound", "NvvmSupport", "libNVVM", "nvvm", "libdevice", "nvrtc")):
        return f"there is no CUDA toolkit to compile with ({_line(error)}); {_INSTALL}"
    if "PTX" in text or "UNSUPPORTED" in text or "ptxas" in text:
        return f"the driver is too old for the toolkit ({_line(error)}); {_DRIVER}, or pip install 'numba-cuda[cu12]'"
    return f"a first kernel cannot be compiled and run ({_line(error)}); {_INSTALL} in a fresh environment"


def _describe(cuda: Any, number: int) -> dict[str, Any]:
    device = cuda.gpus[number]
    with device:
        memory = cuda.current_context().get_memory_info()[1]
    name = device.name.decode() if isinstance(device.name, bytes) else str(device.name)
    return {
        "name": name,
        "compute_capability": ".".join(map(str, device.compute_capability)),
        "multiprocessors": int(device.MULTIPROCESSOR_COUNT),
        "memory_GB": round(memory / 1e9, 1),
    }


def _kept_kernels() -> dict[str, Any]:
    from mcflow.kernels.cuda import disk_cache, kernel_files

    folder = disk_cache.folder()
    number, size = kernel_files.kept(folder) if folder else (0, 0)
    return {
        "kernel_cache": str(folder) if folder else None,
        "cached_kernels": number,
        "cached_MB": round(size / 1e6, 1),
    }


def _line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]


if __name__ == "__main__":
    print(json.dumps(try_here()))
