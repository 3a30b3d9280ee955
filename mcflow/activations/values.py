"""What a user's function is beyond its name: the digest of its values."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

from mcflow.activations.user_functions import Scalar

# Both signs, dense where preactivations are: 0.001 apart at 1. Not 0, where a formula such as sin(h) / h has no value.
PROBES = (30.0 * (np.arange(1, 8193) / 8192.0) ** 3).tolist()


@lru_cache(maxsize=64)  # a registered function stays what it is
def values_sha256(phi: Scalar, dphi: Scalar | None) -> str:
    """SHA-256 of phi, and of a phi' of the user's, at some thousand points.

    It sees what constants, closures, defaults and globals do.
    """
    found = hashlib.sha256()
    for function in filter(None, (phi, dphi)):
        # 7 digits: enough to see an edit, few enough that another libm gives the same text
        found.update("".join(f" {_value(function, x)} {_value(function, -x)}" for x in PROBES).encode())
    return found.hexdigest()


def _value(function: Scalar, x: float) -> str:
    try:
        return f"{float(function(x)):.7g}"
    except (ArithmeticError, ValueError):  # a point where a formula has no value
        return "none"
