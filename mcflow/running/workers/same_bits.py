"""Whether another process would compute the same bits: versions, kernels, activations and schemes, compared there."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

import numpy as np

from mcflow.errors import InputError
from mcflow.model import definitions
from mcflow.model.definitions import Definition
from mcflow.plan import Job
from mcflow.sampling import devices
from mcflow.version import __version__


@dataclass(frozen=True)
class Agreement:
    """What the coordinator has and every worker must have.

    ``versions`` are pairs of a name and its version; ``cases`` says by name what each case's activation and scheme,
    which are sent by name, are here.
    """

    versions: tuple[tuple[str, str], ...]
    cases: tuple[tuple[str, Definition], ...]

    def check(self, jobs: Sequence[Job]) -> None:
        """Run on a worker: InputError where it differs in anything that the bits of these jobs depend on."""
        for (name, there), (_, here) in zip(self.versions, _versions(), strict=True):
            if there != here:
                raise InputError(f"a worker has {name} {here} and this process {there}; install the same there")
        stated = dict(self.cases)
        for job in jobs:
            devices.require(job.device)
            try:
                found = _definition(job)
            except InputError as error:
                raise InputError(
                    f"a worker cannot have case {job.name}: {error}; functions registered in Python are not sent to "
                    "workers: put an activation into a module that they can import and name it module:phi,dphi"
                ) from None
            words = definitions.difference(found, stated[job.name])
            if not words and not np.array_equal(found.weight_std, stated[job.name].weight_std):
                words = f"scheme {job.case.scheme!r} gives standard deviations that differ in their last bits"
            if words:
                raise InputError(f"case {job.name} is another on a worker: {words}; give it the same functions")


def agreement(jobs: Sequence[Job]) -> Agreement:
    """What this process has."""
    return Agreement(_versions(), tuple((job.name, _definition(job)) for job in jobs))


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    python = ".".join(map(str, sys.version_info[:2]))
    return (
        ("mcflow", __version__),
        ("Python", python),
        ("NumPy", np.__version__),
        ("Numba", metadata.version("numba")),
        ("kernels", devices.kernels_digest()),
    )


def _definition(job: Job) -> Definition:
    """What the functions of this process make of a case's scheme and activation."""
    return definitions.definition_of(job.case, job.case.program_for(job.inputs.shape[1]))
