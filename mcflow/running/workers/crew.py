"""Who computes parts: this process, or others; the images are the same."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from mcflow.plan import Job
from mcflow.running import work
from mcflow.running.interrupts import Interrupts
from mcflow.running.progress import Silent
from mcflow.running.work import Assignment, Pace
from mcflow.sampling import cpu

Image = Callable[[], bytes]  # the bytes of a part, waited for where they are not made yet


class Crew(Protocol):
    """Who computes the parts of a run: the threads of this process, or workers elsewhere.

    A part is a pure function of its assignment, so that who computes it, in which order and how often makes no
    difference to its bytes. The engine calls ``check`` once, then ``compute``, and asks for a part when it has written
    the last but one: a crew that falls behind is waited for, and one that is ahead holds few images.
    """

    def check(self, jobs: Sequence[Job]) -> None:
        """Called before anything is written: InputError where these jobs cannot be computed, or not to the same bits.

        It may make ready what all parts need, as the number of threads.
        """
        ...

    def compute(
        self, assignments: Iterator[Assignment], watch: Silent, interrupts: Interrupts
    ) -> Generator[tuple[Assignment, Image], None, None]:
        """Each assignment with the image of its part, in the order in which they come, as soon as it is computed.

        ``assignments`` is read lazily, no further ahead than there is work for. ``watch.advance`` is told of networks
        as they are done; ``interrupts.check`` is called at least every second and may raise. Raises InputError where
        a worker would give other bits, Unfinished where parts cannot be had; whoever leaves the generator early
        closes it, and what has not begun is dropped then.
        """
        ...


@dataclass(frozen=True)
class ThisProcess:
    """The threads of this process; None is every core it may use."""

    threads: int | None = None

    def check(self, jobs: Sequence[Job]) -> None:
        """InputError where there are not so many threads; sets their number."""
        cpu.set_threads(self.threads)

    def compute(
        self, assignments: Iterator[Assignment], watch: Silent, interrupts: Interrupts
    ) -> Generator[tuple[Assignment, Image], None, None]:
        pace = Pace()
        with ThreadPoolExecutor(1) as behind:
            for assignment in assignments:
                advance = functools.partial(watch.advance, assignment.job.name)
                yield assignment, work.compute(assignment, pace, interrupts.check, advance, behind).result
