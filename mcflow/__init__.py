"""Which initialisation keeps activations and gradients flowing: Monte Carlo of random networks, theory beside it."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mcflow import activations, schemes, theory
    from mcflow.draw import draw
    from mcflow.errors import InputError, Unfinished
    from mcflow.results import Result, open
    from mcflow.results import run as run
    from mcflow.study import Case, Study, default_study
    from mcflow.theory import predict
    from mcflow.verify import verify

# In a checkout `kernels` stands beside this folder; an install has it inside. Python started in the checkout finds this
# folder first, installed or not, and must find the kernels that belong to it.
_CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if os.path.exists(os.path.join(_CHECKOUT, "kernels", "_jit.py")):
    __path__.append(_CHECKOUT)

# Where each public name lives; it is imported when it is first asked for (PEP 562), so that `import mcflow` is cheap.
_HOME = {
    "Case": "mcflow.study",
    "InputError": "mcflow.errors",
    "Result": "mcflow.results",
    "Study": "mcflow.study",
    "Unfinished": "mcflow.errors",
    "default_study": "mcflow.study",
    "draw": "mcflow.draw",
    "open": "mcflow.results",
    "predict": "mcflow.theory",
    "run": "mcflow.results",
    "verify": "mcflow.verify",
}
_MODULES = ("activations", "schemes", "theory")

__all__ = [
    "Case",
    "InputError",
    "Result",
    "Study",
    "Unfinished",
    "__version__",
    "activations",
    "default_study",
    "draw",
    "open",
    "predict",
    "run",
    "schemes",
    "theory",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"mcflow.{name}")
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'mcflow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """This package; importing a submodule such as mcflow.draw must not hide the function of the same name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
