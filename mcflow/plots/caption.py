"""The line below a picture: which networks and inputs it is of, what its lines and bands are, what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mcflow.errors import option
from mcflow.plural import counted

if TYPE_CHECKING:
    from mcflow.answers.subject import Subject

_MOST = 3  # different values that are named one by one


def of_study(subject: Subject, names: Sequence[str]) -> str:
    """``width 256, depth 30; 4 digits inputs; 1000 networks a case``, with ranges where cases differ."""
    cases = [subject.case(name) for name in names]
    widths = _several(width for case in cases for width in case.widths)
    depths = _several(len(case.widths) for case in cases)
    inputs = ", ".join(dict.fromkeys(_inputs(case.batch, case.inputs) for case in cases))
    done = sorted({subject.networks_done[name] for name in names})
    networks = counted(done[0], "network") if len(done) == 1 else f"{done[0]} to {done[-1]} networks"
    return f"width {widths}, depth {depths}; {inputs}; {networks} a case"


def some_of(shown: int, of: int, noun: str) -> str:
    """``4 of 12 activations: choose with --case``; empty where all are shown."""
    return "" if shown >= of else f"{shown} of {counted(of, noun)}: choose with {option('case', 'NAME')}"


def _inputs(batch: int, inputs: str) -> str:
    short = inputs.rpartition("/")[2]
    return f"1 {short} input" if batch == 1 else f"{batch} {short} inputs"


def _several(values: Iterable[int]) -> str:
    found = sorted(set(values))
    return ", ".join(map(str, found)) if len(found) <= _MOST else f"{found[0]} to {found[-1]}"
