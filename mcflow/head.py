"""The head of a file: everything that is known before the first network, as an HDF5 image that the rest is added to."""

from __future__ import annotations

import platform
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

import mcflow
from mcflow import definitions, histograms, schemes
from mcflow.blocks import HISTOGRAM_BINS
from mcflow.definitions import Definition, definition_of, is_own
from mcflow.layout import put, put_index
from mcflow.plural import counted
from mcflow.preparation import Job, Prepared
from mcflow.schema import FORMAT, FORMAT_VERSION, entry

if TYPE_CHECKING:
    import h5py


_OLDEST_FORMAT = 60_000  # bytes of an attribute: it takes 64 kB, that of HDF5 1.8 any number
_REFERENCE = 16  # bytes of an attribute for each of its strings


@dataclass(frozen=True)
class Seal:
    """What a file or folder of parts says it belongs to; two that are to be joined must agree in it."""

    identity: str
    study: str
    networks: int
    methods: dict[str, str]
    device: str
    inputs_sha256: str
    keep: str
    definitions: dict[str, Definition] = field(default_factory=dict)  # of cases with functions of the user's own
    format_version: str = FORMAT_VERSION


def seal_of(prepared: Prepared) -> Seal:
    own = [job for job in prepared.jobs if is_own(job.case)]
    return Seal(
        prepared.identity,
        prepared.study.to_toml(),
        prepared.study.networks,
        {job.name: job.method for job in prepared.jobs},
        prepared.devices,
        prepared.inputs_sha256,
        prepared.study.keep,
        {job.name: definition_of(job.case, job.layers) for job in own},
    )


def read_seal(file: h5py.File) -> Seal:
    """The seal in an open file; KeyError or ValueError where it is no mcflow study."""
    if file.attrs.get("format") != FORMAT:
        raise ValueError("it is no mcflow study")
    version = str(file.attrs["format_version"])
    if int(version.partition(".")[0]) > int(FORMAT_VERSION.partition(".")[0]):
        raise ValueError(f"its format {version} is newer than this mcflow, which reads {FORMAT_VERSION}")
    attrs = file.attrs
    own = [name for name in case_names(file) if _states_own(file[name])]
    methods = {name: str(file[name].attrs["method"]) for name in case_names(file)}
    return Seal(
        str(attrs["identity"]),
        str(attrs["study"]),
        int(attrs["networks"]),
        methods,
        str(attrs["device"]),
        str(attrs["inputs_sha256"]),
        str(attrs["keep"]),
        {name: definitions.stated(file[name].attrs, file[name]["weight_std"][()]) for name in own},
        version,
    )


def _states_own(group: h5py.Group) -> bool:
    return "activation_sha256" in group.attrs or not schemes.is_builtin(str(group.attrs["scheme"]))


def case_names(file: h5py.File) -> list[str]:
    """The groups of the cases, in the study's order."""
    return [str(name) for name in file.attrs["cases"]]


def difference(there: Seal, here: Seal) -> str:
    """The first thing in which two studies differ, in words; empty where they agree."""
    if there.format_version != here.format_version:  # what is recorded, and the bits of some networks, are others
        return f"its format is {there.format_version}, of another mcflow, and this one makes {here.format_version}"
    if there.identity == here.identity:
        return ""
    old, new = tomllib.loads(there.study), tomllib.loads(here.study)
    old.pop("networks", None), new.pop("networks", None)
    for key in sorted({*old, *new} - {"case"}):
        if old.get(key) != new.get(key):
            return f"{key} is {old.get(key)} there and {new.get(key)} here"
    olds, news = old["case"], new["case"]
    if len(olds) != len(news):
        return f"it has {counted(len(olds), 'case')}, this study {len(news)}"
    for number, (first, second) in enumerate(zip(olds, news, strict=True), 1):
        for key in sorted({*first, *second}):
            if first.get(key) != second.get(key):
                return f"{key} of case {number} is {first.get(key, 'unset')} there and {second.get(key, 'unset')} here"
    for name in here.methods:
        if there.methods.get(name) != here.methods[name]:
            return f"method of {name} is {there.methods.get(name)} there and {here.methods[name]} here"
    if there.inputs_sha256 != here.inputs_sha256:
        return "the inputs' values differ (inputs_sha256)"
    for name, definition in here.definitions.items():
        before = there.definitions.get(name)
        words = definitions.difference(before, definition) if before else ""
        if words:
            return words
    return "an activation's code or the version of mcflow differs"


def head_image(prepared: Prepared) -> bytes:
    """The head of a study's file."""
    import h5py

    longest = max(
        len(prepared.study.to_toml()),
        sum(len(job.name) + _REFERENCE for job in prepared.jobs),
        max(8 * len(job.layers.width) for job in prepared.jobs),
    )
    options: dict[str, Any] = {"libver": ("v108", "v108")} if longest > _OLDEST_FORMAT else {}
    with h5py.File.in_memory(**options) as file:
        _put_root(file, prepared)
        for job in prepared.jobs:
            _put_case(file, job, prepared)
        file.flush()
        return bytes(file.id.get_file_image())


def _put_root(file: h5py.File, prepared: Prepared) -> None:
    import h5py

    study = prepared.study
    attributes: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "mcflow_version": mcflow.__version__,
        "created_utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seed": np.uint64(study.seed),
        "study": study.to_toml(),
        "inputs_sha256": prepared.inputs_sha256,
        "networks": study.networks,
        "state": "running",
        "identity": prepared.identity,
        "device": prepared.devices,
        "keep": study.keep,
        "backward": str(study.backward).lower(),
        "cases": np.array([job.name for job in prepared.jobs], dtype=h5py.string_dtype()),
        "python_version": platform.python_version(),
        "numpy_version": np.__version__,
        "numba_version": metadata.version("numba"),
        "h5py_version": h5py.__version__,
        "hdf5_version": h5py.version.hdf5_version,
        "platform": platform.platform(),
    }
    for key, value in attributes.items():
        file.attrs[key] = value
    inputs = prepared.jobs[0].inputs
    put_index(file, entry("", "input"), inputs.shape[0])
    put_index(file, entry("", "feature"), inputs.shape[1])
    put(file, entry("", "inputs"), inputs)


def _put_case(file: h5py.File, job: Job, prepared: Prepared) -> None:
    case = job.case
    group = file.create_group(job.name)
    bias_std = [float(np.sqrt(case.bias_variance(int(fan_in)))) for fan_in in job.layers.fan_in]
    attributes: dict[str, Any] = {
        "scheme": case.scheme,
        "distribution": case.rule.distribution,
        "activation": case.activation,
        "gain": case.numeric_gain,
        "gain_rule": str(case.gain),
        "mode": case.mode,
        "bias_std": bias_std[0] if len(set(bias_std)) == 1 else np.asarray(bias_std),
        "inputs": case.inputs,
        "batch": case.batch,
        "method": job.method,
        "method_reason": job.reason,
        "device": prepared.devices_of(job),
        "networks_done": 0,
        "part_networks": job.part,
        "histogram_networks": job.plan.networks,
    }
    if case.correlation is not None:
        attributes["correlation"] = case.correlation
    if job.inputs_note:
        attributes["inputs_note"] = job.inputs_note
    if not case.nonlinearity.is_builtin:
        attributes["activation_sha256"] = definitions.values_sha256(case.nonlinearity)
    for key, value in attributes.items():
        group.attrs[key] = value
    depth = len(job.layers.width)
    put_index(group, entry("CASE", "layer"), depth, first=1)
    for name in ("width", "fan_in", "fan_out", "weight_std"):
        put(group, entry("CASE", name), getattr(job.layers, name))
    if job.inputs is not prepared.jobs[0].inputs:
        put_index(group, entry("CASE", "case_input"), job.inputs.shape[0])
        put_index(group, entry("CASE", "case_feature"), job.inputs.shape[1])
        put(group, entry("CASE", "inputs"), job.inputs)
    if job.method == "chain":
        return  # it follows norms, and has no numbers to count
    counts = group.create_group("histogram")
    put_index(counts, entry("CASE/histogram", "layer"), depth, first=1)
    put_index(counts, entry("CASE/histogram", "bin"), HISTOGRAM_BINS)
    put_index(counts, entry("CASE/histogram", "edge"), HISTOGRAM_BINS + 1)
    for name, unit in (("preactivation", job.plan.preactivation_unit), ("gradient", job.plan.gradient_unit)):
        if name == "preactivation" or prepared.study.backward:
            put(counts, entry("CASE/histogram", f"{name}_edges"), histograms.edges(unit))
