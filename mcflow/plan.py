"""A study made ready to run: each case with its inputs, program, method, part size and histograms' plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcflow.errors import InputError, nearest
from mcflow.inputs import case_inputs
from mcflow.mean_field.refinement import NotPredicted
from mcflow.methods import choice as methods
from mcflow.methods import cost
from mcflow.methods.choice import METHODS, Choice
from mcflow.methods.cost import part_size
from mcflow.model import definitions
from mcflow.model.case import Case
from mcflow.model.program import Program
from mcflow.model.study import Study
from mcflow.sampling import bins, cpu, devices
from mcflow.sampling.bins import Plan
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
class Prepared:
    """A study whose every choice has been made: what runs, and what a file of it must agree with.

    ``before`` names the devices that computed the networks that are there already.
    """

    study: Study
    jobs: tuple[Job, ...]
    device: str
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
        return Prepared(self.study.with_networks(networks), self.jobs, self.device, self.before)


def _together(before: str, now: str) -> str:
    return ", ".join(dict.fromkeys([*filter(None, before.split(", ")), now]))


def prepare(
    study: Study, method: str = "auto", device: str = "auto", begun: Mapping[str, str] | None = None
) -> Prepared:
    """Make every choice that a study leaves open; InputError where a case cannot be run as asked.

    ``begun`` holds the method of each case by name where the study was begun before: ``auto`` stays with it.
    """
    for what, value, known in (("method", method, METHODS), ("device", device, devices.DEVICES)):
        if value not in known:
            raise InputError(f"unknown {what} {value!r}; {nearest(str(value), known)}")
    device = devices.choose_device(device)
    read: dict[tuple[Any, ...], tuple[NDArray[np.float64], str]] = {}
    jobs = []
    for name, case in zip(study.names, study.cases, strict=True):
        source = (case.inputs, case.batch, case.features_or_width, case.correlation, case.raw)
        if source not in read and case.inputs not in case_inputs.DRAWN:
            read[source] = case_inputs.read(case, study.seed)
        features = read[source][0].shape[1] if source in read else case.features_or_width
        asked = (begun or {}).get(name, method) if method == methods.AUTO else method
        choice = methods.choose(case, features, asked)
        part = part_size(case, features, choice.method)
        networks = min(part, study.networks)  # refused before inputs are drawn and theory goes over them
        cost.refuse_large(name, cost.memory_needed(case, features, choice.method, networks, study.backward))
        if source not in read:
            read[source] = case_inputs.read(case, study.seed)
        jobs.append(_job(name, case, read[source], choice, part, device))
    return Prepared(study, tuple(jobs), device)


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
