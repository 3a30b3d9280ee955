"""What a file says it belongs to: two that are to be joined, or one that is continued, must agree in it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mcflow import schemes
from mcflow.files.schema import FORMAT, FORMAT_VERSION
from mcflow.model import definitions
from mcflow.model.definitions import Definition, definition_of, is_own
from mcflow.plural import counted

if TYPE_CHECKING:
    import h5py

    from mcflow.plan import Prepared


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
        {job.name: definition_of(job.case, job.program) for job in own},
    )


class OtherFormat(ValueError):
    """A file of another kind, or of a newer mcflow; the words say which."""


def read_seal(file: h5py.File) -> Seal:
    """The seal in an open file; KeyError or ValueError where it is no mcflow study."""
    attrs = file.attrs
    refuse_other_format(attrs)
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
        str(attrs["format_version"]),
    )


def refuse_other_format(attrs: Mapping[str, Any]) -> None:
    """OtherFormat where the attributes of a file's root are not those of a study, or of a newer mcflow's."""
    if attrs.get("format") != FORMAT:
        raise OtherFormat("it is no mcflow study")
    version = str(attrs["format_version"])
    if int(version.partition(".")[0]) > int(FORMAT_VERSION.partition(".")[0]):
        raise OtherFormat(f"its format {version} is newer than this mcflow, which reads {FORMAT_VERSION}")


def _states_own(group: h5py.Group) -> bool:
    """Whether a case has functions of a user's own; files of format 1.1 and before say it by its scheme's name."""
    attrs = group.attrs
    return "registered" in attrs or "activation_sha256" in attrs or not schemes.is_builtin(str(attrs["scheme"]))


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
