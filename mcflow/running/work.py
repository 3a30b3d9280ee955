"""The unit of work: one part of one case, computed from nothing but its assignment, in any process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from mcflow.files import part_image
from mcflow.plan import Job, Prepared
from mcflow.sampling import cpu, sample
from mcflow.sampling.blocks import Block
from mcflow.sampling.fold import Folding
from mcflow.sampling.recorded import Recorded
from mcflow.sampling.rows import Keeping

_BLOCK_SECONDS = 0.3  # a block takes about this long: Ctrl-C answers, progress moves, and calling costs a hundredth
_FIRST_BLOCK = 8


@dataclass(frozen=True)
class Piece:
    """What is computed as one: the networks first .. first + count - 1 of case ``case``."""

    case: int
    first: int
    count: int

    @property
    def end(self) -> int:
        """The network after the last."""
        return self.first + self.count


@dataclass(frozen=True)
class Assignment:
    """A piece with all that its numbers depend on; ``start`` holds its first rows where they are there already."""

    piece: Piece
    job: Job
    seed: int
    backward: bool
    keep: str
    identity: str
    start: Block | None


@dataclass
class Pace:
    """How many networks make a block of the right duration, for each case; learned while it runs."""

    counts: dict[int, int] = field(default_factory=dict)

    def count(self, case: int) -> int:
        return abs(self.counts.setdefault(case, -_FIRST_BLOCK))

    def learn(self, case: int, count: int, seconds: float, group: int) -> None:
        """``count`` networks took so long; blocks are whole numbers of groups where they are longer than one."""
        if self.counts[case] < 0:  # the first block may have compiled: its time says nothing
            self.counts[case] = count
            return
        fit = count * _BLOCK_SECONDS / max(seconds, 1e-6)
        grown = max(1, min(int(fit), 4 * count))
        unit = max(size for size in (group, _FIRST_BLOCK, 1) if size <= grown)
        self.counts[case] = grown // unit * unit


def assign(prepared: Prepared, piece: Piece, start: Block | None) -> Assignment:
    """What ``compute`` needs to know of a prepared study to compute one of its pieces."""
    study = prepared.study
    return Assignment(
        piece, prepared.jobs[piece.case], study.seed, study.backward, study.keep, prepared.identity, start
    )


def compute(
    assignment: Assignment,
    pace: Pace,
    check: Callable[[], None],
    advance: Callable[[int], None],
    behind: ThreadPoolExecutor,
) -> Future[bytes]:
    """The part's image, which depends on the assignment alone.

    ``check`` is called before each block, what it raises ends the work; ``advance`` is told the networks of each. The
    one thread of ``behind`` folds a block, or makes its rows, while the device computes the next, and the image while
    that of the next part begins.
    """
    piece, threads = assignment.piece, cpu.threads()
    there = 0 if assignment.start is None else assignment.start.count
    kept: Folding | Keeping
    if assignment.keep == "networks":
        kept = Keeping(piece.count, assignment.start, threads)
    else:
        kept = Folding(assignment.job.group, sketched=True, threads=threads)
    waiting: Future[None] | None = None
    for block in _blocks(assignment, there, pace, check):
        if waiting is not None:
            waiting.result()  # two blocks are held, no more
        waiting = behind.submit(kept.add, block)
        advance(block.count)

    def image() -> bytes:
        if waiting is not None:
            waiting.result()  # what it raised
        return part_image.encode(kept.part(piece.first, piece.count), assignment.identity)

    return behind.submit(image)


def _blocks(assignment: Assignment, skip: int, pace: Pace, check: Callable[[], None]) -> Iterator[Recorded]:
    job, piece = assignment.job, assignment.piece
    first, end = piece.first + skip, piece.end
    while first < end:
        check()
        count = min(pace.count(piece.case), end - first)
        began = time.perf_counter()
        block = sample.record(
            job.case,
            job.inputs,
            assignment.seed,
            first,
            count,
            method=job.method,
            device=job.device,
            backward=assignment.backward,
            plan=job.plan,
        )
        pace.learn(piece.case, count, time.perf_counter() - began, job.group)
        yield block
        first += count
