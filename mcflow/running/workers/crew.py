"""Who computes parts: this process, or others; the images are the same."""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mcflow.plan import Job
from mcflow.running import work
from mcflow.running.interrupts import Interrupts
from mcflow.running.progress import Silent
from mcflow.running.work import Assignment, Pace
from mcflow.sampling import cpu


class Crew(Protocol):
    """Computes assignments in their order and yields each with the image of its part."""

    def check(self, jobs: Sequence[Job]) -> None: ...
    def compute(
        self, assignments: Iterator[Assignment], watch: Silent, interrupts: Interrupts
    ) -> Generator[tuple[Assignment, bytes], None, None]: ...


@dataclass(frozen=True)
class ThisProcess:
    """The threads of this process; None is every core it may use."""

    threads: int | None = None

    def check(self, jobs: Sequence[Job]) -> None:
        """InputError where there are not so many threads; sets their number."""
        cpu.set_threads(self.threads)

    def compute(
        self, assignments: Iterator[Assignment], watch: Silent, interrupts: Interrupts
    ) -> Generator[tuple[Assignment, bytes], None, None]:
        pace = Pace()
        for assignment in assignments:
            advance = functools.partial(watch.advance, assignment.job.name)
            yield assignment, work.compute(assignment, pace, interrupts.check, advance)
