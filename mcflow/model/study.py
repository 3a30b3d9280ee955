"""A set of cases, one seed, a number of networks: one file. Frozen, validated when made, hashed."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow.bounds import whole_number
from mcflow.errors import InputError, nearest
from mcflow.model import study_text
from mcflow.model.case import Case

MAX_NETWORKS = 1 << 40  # forty bits of it hold the network
MAX_SEED = (1 << 64) - 1
KEEP = ("networks", "summary")
# fields that came after file format 1.1: what does not use them keeps its identity
_SINCE_1_1 = ("layers", "shape", "sigma_w2", "sigma_b2", "name")
_SIZES = ("depth", "width", "batch", "inputs")  # named in a group name even where they are at their default


@dataclass(frozen=True)
class Study:
    """A set of cases, one seed, a number of networks: one file.

    ``cases`` is one case or several; as an attribute it is a tuple of them. ``backward`` adds the gradients, ``keep``
    is ``networks`` (every network's row is stored) or ``summary``.
    Raises InputError for duplicate cases, or numbers out of range.
    """

    cases: tuple[Case, ...]
    networks: int = 1000
    seed: int = 0
    backward: bool = True
    keep: str = "networks"

    if TYPE_CHECKING:  # what may be given is wider than what is kept

        def __init__(
            self,
            cases: Case | Iterable[Case],
            networks: int = ...,
            seed: int = ...,
            backward: bool = ...,
            keep: str = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        given: Any = self.cases
        if isinstance(given, (str, bytes)) or not isinstance(given, (Case, Iterable)):
            raise InputError(f"a study is made of cases, not {type(given).__name__}; write Study([Case(...)])")
        object.__setattr__(self, "cases", (given,) if isinstance(given, Case) else tuple(given))
        if not self.cases:
            raise InputError("a study needs at least one case")
        for case in self.cases:
            if not isinstance(case, Case):
                raise InputError(f"a study is made of cases, not {type(case).__name__}; write Study([Case(...)])")
        if len(set(self.cases)) != len(self.cases):
            raise InputError("the same case stands in the study twice")
        if any(case.name is not None for case in self.cases) and len(set(self.names)) != len(self.names):
            taken = next(name for name, count in Counter(self.names).items() if count > 1)
            raise InputError(f"two cases are called {taken!r}; give one of them another name")
        object.__setattr__(self, "networks", whole_number("networks", self.networks, 1, MAX_NETWORKS))
        object.__setattr__(self, "seed", whole_number("seed", self.seed, 0, MAX_SEED))
        if not isinstance(self.backward, bool):
            raise InputError(f"backward must be true or false, not {self.backward!r}")
        if self.keep not in KEEP:
            raise InputError(f"unknown keep {self.keep!r}; {nearest(str(self.keep), KEEP)}")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The group name of each case: its own, or SCHEME-ACTIVATION and whatever else differs between the cases."""
        own = Counter(case.name for case in self.cases)
        differing = [
            item
            for item in fields(Case)[2:]
            if item.name != "name" and len({getattr(case, item.name) for case in self.cases}) > 1
        ]
        shortest = {item.name: _shortest(getattr(case, item.name) for case in self.cases) for item in differing}
        out = []
        for case in self.cases:
            if case.name is not None and own[case.name] == 1:
                out.append(case.name)
                continue
            name = f"{case.scheme}-{case.activation}"
            if case.name is not None:
                name = f"{case.name}-{name}"
            for item in differing:
                value = getattr(case, item.name)
                says_nothing = item.name == "depth" and not isinstance(case.width, int)
                says_nothing = says_nothing or (item.name in ("depth", "width") and case.layers is not None)
                if not says_nothing and (item.default is MISSING or value != item.default or item.name in _SIZES):
                    name += _suffix(item.name, shortest[item.name].get(value, value))
            out.append(name.replace("/", "_"))
        return tuple(out)

    def __getitem__(self, name: str) -> Case:
        """The case of that group name; InputError with the nearest names where there is none."""
        if name not in self.names:
            raise InputError(f"no case {name!r} in this study; {nearest(name, self.names)}")
        return self.cases[self.names.index(name)]

    def __iter__(self) -> Iterator[str]:
        """The group names, as a result's."""
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.cases)

    def with_networks(self, networks: int) -> Study:
        """The same study of another number of networks."""
        return replace(self, networks=networks)

    def to_toml(self) -> str:
        """The whole configuration as TOML text; ``Study.from_toml`` of it is this study."""
        plain = {key: getattr(self, key) for key in ("networks", "seed", "backward", "keep")}
        return study_text.write(plain, [case.record() for case in self.cases])

    @classmethod
    def from_toml(cls, text: str) -> Study:
        """The study that a TOML text describes; lists of schemes, activations or gains make a grid of cases.

        Raises InputError for text that is not TOML, unknown keys (with the nearest ones) or unfit values.
        """
        known = [item.name for item in fields(Case)]
        tables, rest = study_text.parse(text, known)
        return cls(tuple(Case(**table) for table in tables), **rest)

    @classmethod
    def from_file(cls, path: str | Path) -> Study:
        """The study in a TOML file; InputError where it cannot be read."""
        return cls.from_toml(study_text.read(path))

    def identity(self) -> str:
        """64 hex digits of everything that the numbers depend on, the count of networks apart."""
        cases = [
            {name: value for name, value in _plain_fields(case).items() if name not in _SINCE_1_1 or value is not None}
            | {"phi": case.nonlinearity.fingerprint(), "gain": f"{case.numeric_gain:.12g}"}
            for case in self.cases
        ]
        plain = {"seed": self.seed, "backward": self.backward, "keep": self.keep, "cases": cases}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def default_study(networks: int = 1000, seed: int = 0, **changes: Any) -> Study:
    """The three schemes of the field, each on tanh, relu and selu; ``changes`` are fields of every case."""
    grid = itertools.product(("xavier_normal", "kaiming_normal", "lecun_normal"), ("tanh", "relu", "selu"))
    return Study(tuple(Case(scheme, activation, **changes) for scheme, activation in grid), networks, seed)


def _plain_fields(case: Case) -> dict[str, Any]:
    """All fields, those at their default too, as JSON takes them."""
    plain = {item.name: getattr(case, item.name) for item in fields(case)}
    return plain | ({"layers": case.record()["layers"]} if case.layers is not None else {})


def _shortest(values: Iterable[Any]) -> dict[float, str]:
    """Each number that is no whole one with as many digits as tell it from the others, five at least."""
    numbers = {value for value in values if isinstance(value, float)}
    for digits in range(5, 18):
        found = {value: f"{value:.{digits}g}" for value in numbers}
        if len(set(found.values())) == len(numbers):
            break
    return found


def _suffix(field_name: str, value: Any) -> str:
    if field_name == "width" and not isinstance(value, int):
        text = "x".join(map(str, value))
        if len(text) > 40:  # a long list of widths: its ends and a digest keep the name readable and unique
            digest = hashlib.sha256(text.encode()).hexdigest()[:6]
            text = f"{value[0]}x..x{value[-1]}_{digest}"
    elif field_name == "layers" and value is not None:
        text = hashlib.sha256(repr(value).encode()).hexdigest()[:6]
    else:
        text = "" if value is None else str(value)
    return f"-{field_name}{text}"
