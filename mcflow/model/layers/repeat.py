"""``repeat``: layers again and again, each time with weights of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from mcflow.bounds import whole_number
from mcflow.errors import InputError


@dataclass(frozen=True)
class Repeat:
    """``items`` in their order, ``count`` times."""

    word: ClassVar[str] = "repeat"
    options: ClassVar[tuple[str, ...]] = ("layers",)

    count: int
    items: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", whole_number("repeat", self.count, 1))
        if not self.items:
            raise InputError("repeat has no layers; give some, as in repeat(3, [dense(64), act()])")

    def record(self) -> dict[str, Any]:
        """The TOML form."""
        return {self.word: self.count, "layers": [item.record() for item in self.items]}


def repeat(count: int, items: Any) -> Repeat:
    """``items``, a layer or a list of them, ``count`` times over. Raises InputError where there are none of either."""
    return Repeat(count, tuple(items) if isinstance(items, list | tuple) else (items,))
