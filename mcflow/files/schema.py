"""What stands in a file: each dataset's dimensions, units and one-line description."""

from __future__ import annotations

from dataclasses import dataclass

from mcflow.quantities import ALL
from mcflow.statistics.magnitudes import SUFFIX

FORMAT = "mcflow-study"
PART_FORMAT = "mcflow-part"
SHARD_FORMAT = "mcflow-shard"
FORMAT_VERSION = "1.4"  # readers refuse a higher first number

STATISTICS = (
    "count",
    "mean",
    "std",
    "standard_error",
    "log_mean",
    "log_std",
    "zero_fraction",
    "q05",
    "q50",
    "q95",
)
MAGNITUDES = ("mean", "std", "standard_error", "q05", "q50", "q95")  # statistics that can leave float64


@dataclass(frozen=True)
class Entry:
    """One dataset: its name in its group, dimensions, units (``1`` = dimensionless) and description."""

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str


_PER_LAYER = ("layer",)
_PER_NETWORK = ("network", "layer")

ROOT = (
    Entry("input", ("input",), "1", "index of an input"),
    Entry("feature", ("feature",), "1", "index of an entry of an input"),
    Entry("inputs", ("input", "feature"), "1", "the inputs that every network is given"),
)

LAYERS = (
    Entry("layer", _PER_LAYER, "1", "layer 1..L; layer 0 is the input"),
    Entry("width", _PER_LAYER, "units", "units of the layer"),
    Entry("fan_in", _PER_LAYER, "units", "inputs of one unit"),
    Entry("fan_out", _PER_LAYER, "units", "outputs of the weight matrix"),
    Entry("weight_std", _PER_LAYER, "1", "standard deviation of one weight, gain included"),
)

# Names of their own: xarray takes a group's dimensions to be those of the root where they are called the same.
OWN_INPUTS = (
    Entry("case_input", ("case_input",), "1", "index of an input of this case"),
    Entry("case_feature", ("case_feature",), "1", "index of an entry of an input of this case"),
    Entry(
        "inputs", ("case_input", "case_feature"), "1", "the inputs of this case, where they are not those of the root"
    ),
)

NETWORK = Entry("network", ("network",), "1", "index of the network: its address in the random stream")

ROWS = tuple(Entry(quantity.name, _PER_NETWORK, "1", quantity.long_name) for quantity in ALL)
_CAN_LEAVE = tuple(quantity.name for quantity in ALL if quantity.has_size)
_LOGARITHM = "logarithm to base 2 of the size of {}, where a value of that leaves float64"
LOGARITHMS = tuple(Entry(name + SUFFIX, _PER_NETWORK, "1", _LOGARITHM.format(name)) for name in _CAN_LEAVE)

_STATISTIC_DESCRIPTIONS = {
    "count": "networks in which {} is a number",
    "mean": "mean over networks of {}",
    "std": "standard deviation over networks of {}",
    "standard_error": "standard error of the mean over networks of {}",
    "log_mean": "mean over networks of the natural logarithm of {}, where positive",
    "log_std": "standard deviation over networks of the natural logarithm of {}, where positive",
    "zero_fraction": "share of networks in which {} is exactly 0",
    "q05": "5 % quantile over networks of {}",
    "q50": "median over networks of {}",
    "q95": "95 % quantile over networks of {}",
}

SUMMARY = tuple(
    Entry(
        f"{quantity.name}_{statistic}",
        _PER_LAYER,
        "networks" if statistic == "count" else "1",
        _STATISTIC_DESCRIPTIONS[statistic].format(quantity.name),
    )
    for quantity in ALL
    for statistic in STATISTICS
)

SUMMARY_LOGARITHMS = tuple(
    Entry(f"{name}_{statistic}{SUFFIX}", _PER_LAYER, "1", _LOGARITHM.format(f"{name}_{statistic}"))
    for name in _CAN_LEAVE
    for statistic in MAGNITUDES
)

HISTOGRAM = (
    Entry("layer", _PER_LAYER, "1", "layer 1..L"),
    Entry("bin", ("bin",), "1", "index of a bin; the first and the last are open"),
    Entry("edge", ("edge",), "1", "index of an edge: bin b lies between edges b and b + 1"),
    Entry("preactivation", ("layer", "bin"), "counts", "units and inputs whose preactivation h falls in the bin"),
    Entry("preactivation_edges", ("layer", "edge"), "1", "edges of the bins of h"),
    Entry("gradient", ("layer", "bin"), "counts", "units and inputs whose gradient d falls in the bin"),
    Entry("gradient_edges", ("layer", "edge"), "1", "edges of the bins of d"),
)

CONTINUATION = Entry(
    "continuation",
    ("byte",),
    "bytes",
    "the folded groups of networks as one HDF5 image: what --resume continues from",
)
BYTE = Entry("byte", ("byte",), "1", "index of a byte")

ENTRIES = {
    "": ROOT,
    "CASE": (*LAYERS, *OWN_INPUTS, NETWORK, *ROWS, *LOGARITHMS, BYTE, CONTINUATION),
    "CASE/summary": (LAYERS[0], *SUMMARY, *SUMMARY_LOGARITHMS),
    "CASE/histogram": HISTOGRAM,
}
_BY_GROUP = {group: {entry.name: entry for entry in entries} for group, entries in ENTRIES.items()}


def entry(group: str, name: str) -> Entry:
    """The description of dataset ``name`` in ``group`` (a key of ENTRIES); KeyError where the schema has none."""
    return _BY_GROUP[group][name]
