"""Numba, or a sentence where the environment keeps it from compiling."""

from __future__ import annotations

import os
import warnings
from typing import Any

from mcflow.errors import InputError

_LONGEST = 200  # letters of what a compiler says


def compiler() -> Any:
    """Numba; InputError where the environment gives it settings that it cannot take."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Environment variable", RuntimeWarning)
            import numba
    except (RuntimeWarning, ValueError) as error:
        found = {name: value for name, value in os.environ.items() if name.startswith("NUMBA_")}
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        settings = ", ".join(f"{name}={value}" for name, value in sorted(found.items()))
        raise InputError(f"Numba does not start with {settings}: {reason.rstrip('.')}; correct or unset it") from None
    return numba


def require_compiler() -> None:
    """InputError where Numba was told not to compile: kernels call each other by machine addresses."""
    if compiler().config.DISABLE_JIT:
        raise InputError("NUMBA_DISABLE_JIT is set, and mcflow's kernels run only compiled; unset it")


def why_not_compiled(error: Exception) -> str:
    """What Numba says of a function that it cannot compile, in one line: its first that names a cause."""
    lines = (line.strip().rstrip(".:") for line in str(error).splitlines())
    line = next((line for line in lines if line and not line.startswith("Failed in ")), "")
    known = type(error).__module__.startswith("numba")
    return (line if known and line else f"{type(error).__name__}: {line}".removesuffix(": "))[:_LONGEST]
