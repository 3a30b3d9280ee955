"""What a file's rows must obey whatever the tier: laws given the layer below, identities, independence, extremes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mcflow.answers.allowances import Prediction
from mcflow.answers.checks import conditional, extremes, histogram_counts, identities, independence, spreads, zeros
from mcflow.answers.checks.recorded import Recorded
from mcflow.answers.verdict_rows import Row

if TYPE_CHECKING:
    import xarray

KINDS = (conditional, identities, independence, extremes, spreads, zeros, histogram_counts)


def rows(name: str, dataset: xarray.Dataset, prediction: Prediction) -> Iterable[Row]:
    """A row for every test that the kept rows, counts and summaries of one case allow."""
    recorded = Recorded(name, dataset, prediction)
    for kind in KINDS:
        yield from kind.rows(recorded)
