"""The head of a file: everything that is known before the first network, as an HDF5 image that the rest is added to."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow.files.datasets import put, put_index
from mcflow.files.schema import FORMAT, FORMAT_VERSION, entry
from mcflow.methods import registry as methods
from mcflow.model import definitions
from mcflow.plan import Job, Prepared
from mcflow.quantities import HISTOGRAM_BINS
from mcflow.sampling import bins
from mcflow.version import __version__

if TYPE_CHECKING:
    import h5py
_OLDEST_FORMAT = 60_000  # bytes of an attribute: it takes 64 kB, that of HDF5 1.8 any number
_REFERENCE = 16  # bytes of an attribute for each of its strings


def head_image(prepared: Prepared) -> bytes:
    """The head of a study's file."""
    import h5py

    longest = max(
        len(prepared.study.to_toml()),
        sum(len(job.name) + _REFERENCE for job in prepared.jobs),
        max(8 * job.program.depth for job in prepared.jobs),
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
        "mcflow_version": __version__,
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
    if prepared.device_reason:
        attributes["device_reason"] = prepared.device_reason
    for key, value in attributes.items():
        file.attrs[key] = value
    inputs = prepared.jobs[0].inputs
    put_index(file, entry("", "input"), inputs.shape[0])
    put_index(file, entry("", "feature"), inputs.shape[1])
    put(file, entry("", "inputs"), inputs)


def _put_case(file: h5py.File, job: Job, prepared: Prepared) -> None:
    case = job.case
    group = file.create_group(job.name)
    bias_std = job.program.bias_std.tolist()
    attributes: dict[str, Any] = {
        "scheme": case.scheme,
        "distribution": case.rule.distribution.name,
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
    if definitions.is_own(case):
        attributes["registered"] = True
    for key, value in attributes.items():
        group.attrs[key] = value
    depth = job.program.depth
    put_index(group, entry("CASE", "layer"), depth, first=1)
    for name in ("width", "fan_in", "fan_out", "weight_std"):
        put(group, entry("CASE", name), getattr(job.program, name))
    if job.inputs is not prepared.jobs[0].inputs:
        put_index(group, entry("CASE", "case_input"), job.inputs.shape[0])
        put_index(group, entry("CASE", "case_feature"), job.inputs.shape[1])
        put(group, entry("CASE", "inputs"), job.inputs)
    if not methods.get(job.method).counts:
        return
    counts = group.create_group("histogram")
    put_index(counts, entry("CASE/histogram", "layer"), depth, first=1)
    put_index(counts, entry("CASE/histogram", "bin"), HISTOGRAM_BINS)
    put_index(counts, entry("CASE/histogram", "edge"), HISTOGRAM_BINS + 1)
    for name, unit in (("preactivation", job.plan.preactivation_unit), ("gradient", job.plan.gradient_unit)):
        if name == "preactivation" or prepared.study.backward:
            put(counts, entry("CASE/histogram", f"{name}_edges"), bins.edges(unit))
