"""A study under examination: what is asked of it again and again is looked up, or computed, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mcflow.answers import allowances
from mcflow.answers.allowances import Floats, Prediction
from mcflow.model.case import Case

if TYPE_CHECKING:
    from pathlib import Path

    import xarray

    from mcflow.files.result import Result

Found = TypeVar("Found")


class Sharing(Protocol):
    """What shares work on a study: see ``crew.Crew``."""

    def answers(
        self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], own: Sequence[int] = ()
    ) -> list[Any]:
        """``function(subject, *task)`` of every task, in their order."""


def _say_nothing(_: str) -> None:
    pass


class Subject:
    """A result as those who judge and draw it see it; ``tell`` is told, in a few words, what is being done.

    Verdicts, pictures and rankings of one page share one: each case is opened, and its theory computed, once. Nothing
    of the rows is held.
    """

    def __init__(self, result: Result, tell: Callable[[str], None] = _say_nothing) -> None:
        self.result, self.tell = result, tell
        self.crew: Sharing | None = None  # who shares the work on it; see ``crew.hired``
        self._datasets: dict[str, xarray.Dataset] = {}
        self._cases: dict[str, Case] = {}
        self._inputs: dict[str, Floats] = {}
        self._predictions: dict[tuple[str, str | None], Prediction] = {}
        self._once: dict[Callable[[Subject], Any], Any] = {}

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the file."""
        return self.result.attrs

    @property
    def path(self) -> Path | None:
        """Where the file lies."""
        return self.result.path

    @cached_property
    def names(self) -> list[str]:
        """The cases, in the study's order."""
        return list(self.result.names)

    @cached_property
    def networks_done(self) -> dict[str, int]:
        """How many networks of each case are there."""
        return self.result.networks_done

    def case(self, name: str) -> Case:
        """The case of that name."""
        if name not in self._cases:
            self._cases[name] = self.result.case(name)
        return self._cases[name]

    def inputs(self, name: str) -> Floats:
        """Its (batch, features) inputs."""
        if name not in self._inputs:
            self._inputs[name] = self.result.inputs(name)
        return self._inputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, name: str) -> xarray.Dataset:
        if name not in self._datasets:
            self._datasets[name] = self.result[name]
        return self._datasets[name]

    def prediction(self, name: str, tier: str | None = None) -> Prediction:
        """What theory says of a case; see ``allowances.predict``."""
        if (name, tier) not in self._predictions:
            self.tell(f"theory of {name}")
            self._predictions[name, tier] = allowances.predict(self.case(name), self.inputs(name), tier)
        return self._predictions[name, tier]

    def learn(self, name: str, tier: str | None, prediction: Prediction) -> None:
        """Take a prediction that was made elsewhere for what ``prediction`` gives."""
        self._predictions[name, tier] = prediction

    def once(self, function: Callable[[Subject], Found]) -> Found:
        """What ``function`` makes of the study, made when it is first asked for."""
        if function not in self._once:
            self._once[function] = function(self)
        found: Found = self._once[function]
        return found
