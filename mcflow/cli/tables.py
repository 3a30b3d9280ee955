"""What verbs print: tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from mcflow.cli import sheet
from mcflow.cli.sheet import Column, Sheet

if TYPE_CHECKING:
    from mcflow.answers.signal import Flow, Measured

_OF = ("activations x", "gradients d")
_NARROWEST = 100  # columns where stdout is no terminal


def console() -> Console:
    """Where tables and sentences go: stdout, as wide as it is."""
    return Console(width=None if sys.stdout.isatty() else _NARROWEST, highlight=False)


def print_json(document: Any) -> None:
    """One JSON document on stdout; NaN and infinities, which JSON has not, must be None already."""
    print(json.dumps(document, allow_nan=False, indent=2))


def print_flow(cases: Sequence[Flow]) -> None:
    """Measured second moments with standard errors beside the prediction, then a line of verdicts for each case."""
    from mcflow.answers.signal import BACKWARD, CRITERION, FORWARD

    heads = (Column("case", words=True), Column("layer"), *(Column(of, words=True) for of in _OF))
    table = Sheet("second moments, measured ± standard error | infinite width", heads, grouped=True)
    for case in cases:
        for place, layer in enumerate(case.layers):
            cells = [_cell(case.measured[name][place]) if name in case.measured else "" for name in (FORWARD, BACKWARD)]
            table.add("" if place else case.name, str(layer), *cells, end=place == len(case.layers) - 1)
    out = console()
    sheet.show(out, table)
    longest = max(len(case.name) for case in cases)
    for case in cases:
        out.print(f"{case.name:<{longest}}  {case.sentence}", soft_wrap=True, markup=False)
    out.print(f"kept: a second moment stays {CRITERION}", soft_wrap=True, markup=False)


def _cell(value: Measured) -> str:
    from mcflow.statistics import magnitudes

    text = measured(value.mean, value.standard_error, value.exponent)
    return text if value.predicted is None else f"{text} | {magnitudes.text(value.predicted, value.exponent)}"


def measured(mean: float, error: float, exponent: int = 0) -> str:
    """``1.23 ± 0.04``: a mean to the digits that its standard error leaves it; ``10^421.72 ± 7 %`` beyond float64.

    Both are multiples of 2**exponent.
    """
    from mcflow.statistics import magnitudes

    if exponent:
        text = magnitudes.text(mean, exponent)
        if text.startswith(("10^", "-10^")):
            return f"{text} ± {100 * error / abs(mean):.2g} %" if error > 0 else text
        mean, error = magnitudes.plain(mean, exponent), magnitudes.plain(error, exponent)
    if not math.isfinite(mean) or not math.isfinite(error) or error <= 0 or mean == 0:
        return f"{mean:.4g}"
    digits = max(2, min(7, 2 + math.floor(math.log10(abs(mean))) - math.floor(math.log10(error))))
    return f"{mean:#.{digits}g}".removesuffix(".") + f" ± {error:#.2g}".removesuffix(".")
