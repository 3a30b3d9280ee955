"""``act``: an activation on every number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mcflow.activations import given, registry
from mcflow.activations.given import Given
from mcflow.model.ops import Shape


@dataclass(frozen=True)
class Act:
    """The activation called ``name``; None is the case's."""

    word: ClassVar[str] = "act"
    options: ClassVar[tuple[str, ...]] = ()

    name: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            object.__setattr__(self, "name", registry.get(str(self.name)).name)

    def out(self, shape: Shape) -> Shape:
        """The shape that it makes of ``shape``."""
        return shape

    def record(self) -> str | dict[str, str]:
        """The TOML form: the bare word where the activation is the case's."""
        return self.word if self.name is None else {self.word: self.name}


def act(name: Given | None = None) -> Act:
    """The activation called ``name``, or of functions phi or (phi, dphi); None is the case's.

    Raises InputError for an unknown one.
    """
    return Act(None if name is None else given.resolve(name).name)
