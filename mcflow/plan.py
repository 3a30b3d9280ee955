"""A study made ready to run: each case with its inputs, program, method, part size and histograms' plan."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcflow.errors import InputError, nearest
from mcflow.inputs import case_inputs
from mcflow.mean_field.refinement import NotPredicted
from mcflow.methods import choice as methods
from mcflow.methods import cost, registry
from mcflow.methods.choice import METHODS, Choice
from mcflow.methods.cost import part_size
from mcflow.methods.prices import Prices
from mcflow.model import definitions
from mcflow.model.case import Case
from mcflow.model.program import Program
from mcflow.model.study import Study
from mcflow.sampling import bins, cpu, devices
from mcflow.sampling.bins import Plan
from mcflow.sampling.devices import Device
from mcflow.theory.infinite_width import trajectory


@dataclass(frozen=True)
class Job:
    """One case made ready.

    ``inputs`` is (batch, features), and ``inputs_note`` says how a file of them was read; ``reason`` says why this
    method was taken; ``predicted`` holds the moments that ``trajectory.second_moments`` says of the case for
    these inputs: nothing where a user's function is too fine.
    """

    name: str
    case: Case
    inputs: NDArray[np.float64]
    program: Program
    method: str
    reason: str
    device: str
    part: int
    plan: Plan
    predicted: dict[str, NDArray[np.float64]]
    inputs_note: str = ""

    @property
    def group(self) -> int:
        """How many networks are folded as one group."""
        return cost.group_size(self.part)


@dataclass(frozen=True)
class Begun:
    """What was decided for a study that is continued: the method of each case by name, and the devices so far."""

    methods: Mapping[str, str]
    devices: str

    @property
    def device(self) -> str:
        """The last device."""
        return self.devices.rpartition(", ")[2]


@dataclass(frozen=True)
class Prepared:
    """A study whose every choice has been made: what runs, and what a file of it must agree with.

    ``device_reason`` says why ``auto`` came to this device, where it is not the first of all; ``before`` names the
    devices that computed the networks that are there already.
    """

    study: Study
    jobs: tuple[Job, ...]
    device: str
    device_reason: str = ""
    before: str = ""

    @property
    def devices(self) -> str:
        """The devices that computed what is there and will compute the rest, as a file states them."""
        return _together(self.before, self.device)

    def devices_of(self, job: Job) -> str:
        """The same for one case."""
        return _together(self.before, job.device)

    @cached_property
    def inputs_sha256(self) -> str:
        return case_inputs.digest([job.inputs for job in self.jobs])

    @cached_property
    def identity(self) -> str:
        """64 hex digits of everything the numbers depend on, the count of networks apart.

        Not of the device: all devices walk the same networks, and what one began another may finish.
        """
        chosen: list[Any] = [self.study.identity(), self.inputs_sha256]
        for job in self.jobs:
            exponents = [job.plan.preactivation_exponent.tolist(), job.plan.gradient_exponent.tolist()]
            chosen.append([job.method, job.part, job.plan.networks, exponents])
            if definitions.is_own(job.case):
                chosen.append(definitions.definition_of(job.case, job.program).text())
        return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()

    def with_networks(self, networks: int) -> Prepared:
        return replace(self, study=self.study.with_networks(networks))


def _together(before: str, now: str) -> str:
    return ", ".join(dict.fromkeys([*filter(None, before.split(", ")), now]))


def prepare(
    study: Study, method: str = "auto", device: str = "auto", begun: Begun | None = None, shards: int | None = None
) -> Prepared:
    """Make every choice that a study leaves open; InputError where a case cannot be run as asked.

    Where the study was ``begun`` before, ``auto`` stays with what was decided then. ``shards`` is how many the study is
    divided into, None where it is whole: shards may be computed on different kinds of devices, and must take one
    method. With both at ``auto`` it is that of a processor, which is everywhere.
    """
    device = devices.named(str(device))
    for what, value, known in (("method", method, METHODS), ("device", device, devices.DEVICES)):
        if value not in known:
            raise InputError(f"unknown {what} {value!r}; {nearest(str(value), known)}")
    if device != devices.AUTO:
        devices.require(device)
    read: dict[tuple[Any, ...], tuple[NDArray[np.float64], str]] = {}
    features = {}
    for name, case in zip(study.names, study.cases, strict=True):
        source = _source(case)
        if source not in read and case.inputs not in case_inputs.DRAWN:
            read[source] = case_inputs.read(case, study.seed)
        features[name] = read[source][0].shape[1] if source in read else case.features_or_width

    def choices(on: Device) -> list[Choice]:
        prices = devices.ALL[-1].prices if shards is not None and device == devices.AUTO else on.prices
        return [
            _choice(case, features[name], method, prices, begun.methods.get(name) if begun else None)
            for name, case in zip(study.names, study.cases, strict=True)
        ]

    def seconds(on: Device) -> float:
        of_cases = zip(study.cases, features.values(), choices(on), strict=True)
        return _seconds(on, of_cases, -(-study.networks // (shards or 1)))

    chosen = devices.choose(device, seconds, begun.device if begun else "")
    jobs = []
    for name, case, choice in zip(study.names, study.cases, choices(devices.get(chosen.device)), strict=True):
        part = part_size(case, features[name], choice.method)
        networks = min(part, study.networks)  # refused before inputs are drawn and theory goes over them
        cost.refuse_large(name, cost.memory_needed(case, features[name], choice.method, networks, study.backward))
        source = _source(case)
        if source not in read:
            read[source] = case_inputs.read(case, study.seed)
        jobs.append(_job(name, case, read[source], choice, part, chosen.device))
    return Prepared(study, tuple(jobs), chosen.device, chosen.reason)


def _source(case: Case) -> tuple[Any, ...]:
    """What cases that share their inputs agree in."""
    return case.inputs, case.batch, case.features_or_width, case.correlation, case.raw


def _choice(case: Case, features: int, asked: str, prices: Prices, begun: str | None) -> Choice:
    found = methods.choose(case, features, asked, prices)
    if asked != methods.AUTO or begun in (None, found.method):
        return found
    return replace(methods.choose(case, features, begun), reason="as this study was begun")


def _seconds(on: Device, of_cases: Iterable[tuple[Case, int, Choice]], count: int) -> float:
    """Seconds of ``count`` networks of each case by the prices of a device; infinite where it would compute none."""
    found, is_used = on.prices.start, False
    for case, size, choice in of_cases:
        computing = devices.get(devices.device_for(case, choice.method, on.name))
        network = registry.get(choice.method).cost(case, size, computing.prices)
        found += computing.prices.seconds(count, network)
        is_used |= computing.name == on.name
    return found if is_used else math.inf


def _predicted(case: Case, values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    try:
        return trajectory.second_moments(case, values)
    except NotPredicted:  # it can be simulated all the same; theory and verify say why they say nothing
        return {}


def _job(name: str, case: Case, found: tuple[NDArray[np.float64], str], choice: Choice, part: int, device: str) -> Job:
    values, note = found
    cpu.compile_activation(case.nonlinearity)
    program = case.program_for(values.shape[1])
    on = devices.device_for(case, choice.method, device)
    predicted = _predicted(case, values)
    unknown = np.full(program.depth, np.nan)
    plan = Plan(
        bins.counted_networks(max(program.widths), case.batch, part),
        bins.unit_exponent(predicted.get("preactivation_second_moment_log10", unknown)),
        bins.unit_exponent(predicted.get("gradient_second_moment_log10", unknown)),
    )
    return Job(name, case, values, program, choice.method, choice.reason, on, part, plan, predicted, note)
