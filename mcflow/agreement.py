"""Whether another process would compute the same bits: versions, kernels, activations and schemes, compared there."""

from __future__ import annotations

import functools
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import mcflow
from mcflow import devices
from mcflow.errors import InputError
from mcflow.preparation import Job


@dataclass(frozen=True)
class Agreement:
    """What the coordinator has and every worker must have.

    ``versions`` are pairs of a name and its version; ``cases`` says of each case's activation and scheme, which are
    sent by name, what they are here.
    """

    versions: tuple[tuple[str, str], ...]
    cases: tuple[tuple[str, str], ...]

    def check(self, jobs: Sequence[Job]) -> None:
        """Run on a worker: InputError where it differs in anything that the bits of these jobs depend on."""
        for (name, there), (_, here) in zip(self.versions, _versions(), strict=True):
            if there != here:
                raise InputError(f"a worker has {name} {here} and this process {there}; install the same there")
        stated = dict(self.cases)
        for job in jobs:
            if job.device == "cuda":
                devices.choose_device("cuda")
            try:
                found = _content(job)
            except InputError as error:
                raise InputError(
                    f"a worker cannot have case {job.name}: {error}; functions registered in Python are not sent to "
                    "workers: put an activation into a module that they can import and name it module:phi,dphi"
                ) from None
            if found != stated[job.name]:
                raise InputError(
                    f"the activation or scheme of case {job.name} is another on a worker; give it the same modules"
                )


def agreement(jobs: Sequence[Job]) -> Agreement:
    """What this process has."""
    return Agreement(_versions(), tuple((job.name, _content(job)) for job in jobs))


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    import numba
    import numpy as np

    python = ".".join(map(str, sys.version_info[:2]))
    return (
        ("mcflow", mcflow.__version__),
        ("Python", python),
        ("NumPy", np.__version__),
        ("Numba", numba.__version__),
        ("kernels", devices.kernels_digest()),
    )


def _content(job: Job) -> str:
    """The activation's fingerprint and the standard deviations of weights, from the functions that this process has."""
    layers = job.case.layers(job.inputs.shape[1])
    return f"{job.case.nonlinearity.fingerprint()} {zlib.crc32(layers.weight_std.tobytes()):08x}"
