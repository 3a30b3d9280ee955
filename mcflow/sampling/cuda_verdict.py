"""That a first kernel ran on this machine's GPUs, remembered: the trial takes seconds, and a run should not.

Only success is kept: who has mended a driver must not meet yesterday's refusal. It holds for a day, for the same
driver, devices, versions, environment and boot; whatever cannot be read or written means that the kernel is tried.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from mcflow.kernels import cache_folder
from mcflow.version import __version__

PROC = Path("/proc")
SYS = Path("/sys")
LASTS = 86400.0  # seconds: a device can fail while everything that is looked at stays as it was
SKEW = 60.0  # by how much the clock of the folder may be ahead
STALE = 30 * LASTS  # then the file of another boot, or of a node that shares the folder, is thrown away
PACKAGES = (
    "numba", "numba-cuda", "llvmlite", "numpy", "cuda-python", "cuda-bindings", "cuda-core", "cuda-pathfinder",
    "cuda-toolkit", "nvidia-nvvm", "nvidia-nvjitlink", "nvidia-cuda-nvcc", "nvidia-cuda-nvrtc", "nvidia-cuda-runtime",
    "nvidia-nvjitlink-cu12", "nvidia-cuda-nvcc-cu12", "nvidia-cuda-nvrtc-cu12", "nvidia-cuda-runtime-cu12",
)  # fmt: skip
ENVIRONMENT = ("CUDA", "NVIDIA", "NUMBA", "LD_LIBRARY_PATH", "PYTHONPATH")  # how names of variables that matter begin
OF_A_DEVICE = ("Model", "GPU UUID", "Bus Location")  # the rest of what the driver says of one changes as it is used


def key() -> dict[str, Any]:
    """What the verdict hangs on, as plain data. Neither CUDA nor a compiler is started."""
    proc = PROC / "driver" / "nvidia"
    return {
        "mcflow": __version__,
        "python": [sys.version, sys.executable],
        "packages": {name: _version(name) for name in PACKAGES},
        "driver": [_text(proc / "version"), _text(SYS / "module" / "nvidia" / "version"), _driver_number()],
        "devices": sorted(_device(path) for path in proc.glob("gpus/*/information")),
        "environment": {name: text for name, text in sorted(os.environ.items()) if name.startswith(ENVIRONMENT)},
        "boot": _text(PROC / "sys" / "kernel" / "random" / "boot_id"),
    }


def remembered(of: dict[str, Any]) -> dict[str, Any] | None:
    """The ``devices`` and empty ``reason`` that were found for this ``key``; None where the kernel is to be tried."""
    try:
        path = _path(of)
        if not -SKEW < time.time() - path.stat().st_mtime < LASTS:
            return None
        kept = json.loads(path.read_text(encoding="utf-8"))
        found: dict[str, Any] = kept["found"]
        fits = kept["key"] == of and set(found) == {"reason", "devices"} and found["reason"] == "" and found["devices"]
        return found if fits and all(_is_device(each) for each in found["devices"]) else None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):  # the last where there is no home
        return None


def remember(of: dict[str, Any], found: dict[str, Any]) -> bool:
    """Keep what was found, where a kernel ran and the folder can be written; whether it is kept."""
    if found["reason"]:
        forget(of)
        return False
    text = json.dumps({"key": of, "found": {"reason": "", "devices": found["devices"]}})
    try:
        path = _path(of)
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path.parent)
        descriptor, name = tempfile.mkstemp(prefix=".first-kernel-", dir=path.parent)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, path)  # whole or not at all, whoever else writes it
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return False
    return True


def forget(of: dict[str, Any]) -> None:
    """Throw away what is kept for this ``key``."""
    with contextlib.suppress(OSError, RuntimeError):
        _path(of).unlink(missing_ok=True)


def _path(of: dict[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()
    return Path(cache_folder.root()) / f"first-kernel-{digest[:16]}.json"


def _clear(folder: Path) -> None:
    for pattern in ("first-kernel-*.json", ".first-kernel-*"):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE:
                    path.unlink()


def _is_device(given: object) -> bool:
    return isinstance(given, dict) and all(isinstance(value, (str, int, float)) for value in given.values())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _device(path: Path) -> str:
    lines = [line for line in _text(path).splitlines() if line.startswith(OF_A_DEVICE)]
    return " ".join(" ".join(line.split()) for line in lines)


def _driver_number() -> int:
    """CUDA's own number of the driver, which it tells without being started; 0 where there is none."""
    number = ctypes.c_int(0)
    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            ctypes.CDLL(name).cuDriverGetVersion(ctypes.byref(number))
        except (OSError, AttributeError):
            continue
        break
    return number.value
