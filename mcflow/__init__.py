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
    from mcflow.answers.verdicts import verify
    from mcflow.errors import InputError, Unfinished
    from mcflow.files.reading import open
    from mcflow.files.result import Result
    from mcflow.model.case import Case
    from mcflow.model.study import Study, default_study
    from mcflow.running.run import run
    from mcflow.sampling.network import draw
    from mcflow.theory import predict

# In a checkout `kernels` stands beside this folder; an install has it inside. Python started in the checkout finds this
# folder first, installed or not, and must find the kernels that belong to it.
_CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if os.path.exists(os.path.join(_CHECKOUT, "kernels", "cpu", "_compile.py")):
    __path__.append(_CHECKOUT)

# Where each public name lives; it is imported when it is first asked for (PEP 562), so that `import mcflow` is cheap.
_HOME = {
    "Case": "mcflow.model.case",
    "InputError": "mcflow.errors",
    "Result": "mcflow.files.result",
    "Study": "mcflow.model.study",
    "Unfinished": "mcflow.errors",
    "default_study": "mcflow.model.study",
    "draw": "mcflow.sampling.network",
    "open": "mcflow.files.reading",
    "predict": "mcflow.theory",
    "run": "mcflow.running.run",
    "verify": "mcflow.answers.verdicts",
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
