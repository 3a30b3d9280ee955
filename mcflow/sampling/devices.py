"""The devices there are: which one computes a case, why not another, and what this machine has."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow.errors import InputError
from mcflow.sampling.compiler import compiler, require_compiler

if TYPE_CHECKING:
    from mcflow.model.case import Case
DEVICES = ("auto", "cpu", "cuda")


def choose_device(requested: str) -> str:
    """``cpu`` or ``cuda``; InputError with the reason where neither compiles, or CUDA is asked for and fails."""
    from mcflow.sampling import cuda_detection

    require_compiler()
    if requested == "cpu" or (requested == "auto" and cuda_detection.quick_reason()):
        return "cpu"
    reason = cuda_detection.reason()
    if reason and requested == "cuda":
        raise InputError(f"--device cuda: {reason}")
    return "cpu" if reason else "cuda"


def why_not_cuda(requested: str, device: str) -> str:
    """Where ``auto`` came to the processor, the reason in brackets, for the line that announces a run."""
    from mcflow.sampling import cuda_detection

    if requested != "auto" or device != "cpu":
        return ""
    return f" ({(cuda_detection.quick_reason() or cuda_detection.reason()).partition(' (')[0].partition(';')[0]})"


def device_for(case: Case, method: str, device: str) -> str:
    """The device that computes a case: the one chosen, or the processor where the GPU has no kernel for it."""
    from mcflow.sampling import cuda

    return "cpu" if device == "cuda" and cuda.why_not(case, method) else device


def kernels_digest() -> str:
    """Sixteen hex digits of the text of all kernels: processes in which they agree compute the same bits."""
    found = hashlib.sha256()
    (folder,) = importlib.util.find_spec("mcflow.kernels").submodule_search_locations  # type: ignore[union-attr,misc]
    for path in sorted(Path(folder).rglob("*.py")):
        found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:16]


def describe() -> dict[str, Any]:
    """What this machine has, for ``mcflow doctor``: processor, threads, instruction sets, cache of compiled kernels."""
    numba = compiler()
    import llvmlite.binding as llvm

    from mcflow.kernels.cpu import _compile
    from mcflow.sampling import cuda_detection

    features = llvm.get_host_cpu_features()
    simd = [name for name in ("avx512f", "avx2", "avx", "sse4.2", "neon") if features.get(name)]
    return {
        "cpu": llvm.get_host_cpu_name(),
        "simd": simd,
        "cores": os.cpu_count(),
        "threads": numba.config.NUMBA_NUM_THREADS,
        "threading_layer": "none: NUMBA_DISABLE_JIT is set" if numba.config.DISABLE_JIT else "threads of Python",
        "kernel_cache": str(_compile.CACHE_FOLDER) if _compile.CACHE_FOLDER else None,
        "cuda": _describe_cuda(cuda_detection.examine()),
    }


def _describe_cuda(found: dict[str, Any]) -> dict[str, Any]:
    devices = [", ".join(f"{key} {value}" for key, value in device.items()) for device in found["devices"]]
    works = "yes" if not found["reason"] else f"no: {found['reason']}"
    return {"works": works, "devices": devices, "numba_cuda": found["numba_cuda"]}
