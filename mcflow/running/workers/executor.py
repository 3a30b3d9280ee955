"""The workers of any concurrent.futures.Executor as a crew: parts sent out, taken back in order, tried again."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from mcflow.errors import InputError, Unfinished
from mcflow.plan import Job
from mcflow.running import work
from mcflow.running.interrupts import Interrupts
from mcflow.running.progress import Silent
from mcflow.running.work import Assignment, Pace
from mcflow.running.workers.crew import Image
from mcflow.running.workers.same_bits import Agreement, agreement
from mcflow.sampling import cpu

_UNDER_WAY = 4  # parts that are being computed or are next, per worker: none is idle
_WINDOW = 32  # of them and of those that wait for one before them, per worker: their images take memory
_POLL = 0.2  # seconds between two looks for a signal
_ATTEMPTS = 3  # at one part, before the run gives up
_one_at_a_time = threading.Lock()  # the kernels of a process are called from one thread at a time


@functools.lru_cache(maxsize=8)
def _pace(identity: str) -> Pace:
    """How long blocks of a study are on this worker, from one part to the next."""
    return Pace()


@dataclass(frozen=True)
class Workers:
    """The workers of an executor, ``threads`` threads for each part; ``count`` of them work at the same time."""

    executor: Executor
    count: int
    threads: int = 1

    def check(self, jobs: Sequence[Job]) -> None:
        """InputError where a worker would not compute the same bits; every part's worker looks again."""
        try:
            self.executor.submit(_check_worker, agreement(jobs), tuple(jobs)).result()
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"the workers cannot compute this ({_words(error)}); they need the same mcflow, NumPy and Numba as here"
            ) from None

    def compute(
        self, assignments: Iterator[Assignment], watch: Silent, interrupts: Interrupts
    ) -> Generator[tuple[Assignment, Image], None, None]:
        """Commit in order; on any end that is not the last part, what has not begun is cancelled.

        A worker takes a part when it has ended one, so that each computes as many as it is fast.
        """
        window = _Window(assignments, self._submit, self.count)
        try:
            while window.fill():
                assignment, future = window.first()
                while not future.done():
                    interrupts.check()
                    window.wait(_POLL)
                    window.fill()
                image = self._image(assignment, future, interrupts)
                window.drop_first()
                watch.advance(assignment.job.name, _missing(assignment))
                yield assignment, functools.partial(bytes, image)
        finally:
            window.cancel()

    def _submit(self, assignment: Assignment) -> Future[bytes]:
        try:
            return self.executor.submit(_compute_on_worker, assignment, agreement([assignment.job]), self.threads)
        except RuntimeError as error:  # BrokenExecutor is one: it lost a process, or was shut down
            raise Unfinished(f"the executor takes no more work: {_words(error)}") from None

    def _image(self, assignment: Assignment, future: Future[bytes], interrupts: Interrupts) -> bytes:
        for attempt in range(_ATTEMPTS):
            while not wait([future], timeout=_POLL).done:
                interrupts.check()
            interrupts.check()
            try:
                return future.result()
            except InputError:
                raise
            except (BrokenExecutor, CancelledError) as error:
                raise Unfinished(f"the executor lost its workers: {_words(error)}") from None
            except Exception as error:
                if attempt == _ATTEMPTS - 1:
                    piece = assignment.piece
                    raise Unfinished(
                        f"networks {piece.first} to {piece.end - 1} of {assignment.job.name} failed on workers "
                        f"{_ATTEMPTS} times: {_words(error)}"
                    ) from None
                future = self._submit(assignment)
        raise AssertionError("the last attempt returns or raises")


class _Window:
    """The parts that were sent out, in their order: under way, or there and waiting for one before them.

    While the first takes long, on a slow worker, the others are given more.
    """

    def __init__(
        self, assignments: Iterator[Assignment], submit: Callable[[Assignment], Future[bytes]], workers: int
    ) -> None:
        self._assignments, self._submit = assignments, submit
        self._most_under_way, self._most = _UNDER_WAY * workers, _WINDOW * workers
        self._parts: deque[tuple[Assignment, Future[bytes]]] = deque()
        self._under_way, self._is_more = 0, True
        self._ended = threading.Condition()

    def fill(self) -> bool:
        """Send out as many as there is room for; whether there is a first part."""
        while self._has_room():
            assignment = next(self._assignments, None)
            if assignment is None:
                self._is_more = False
                break
            future = self._submit(assignment)
            with self._ended:
                self._under_way += 1
            self._parts.append((assignment, future))
            future.add_done_callback(self._end)
        return bool(self._parts)

    def _has_room(self) -> bool:
        return self._is_more and self._under_way < self._most_under_way and len(self._parts) < self._most

    def _end(self, future: Future[bytes]) -> None:
        with self._ended:
            self._under_way -= 1
            self._ended.notify_all()

    def first(self) -> tuple[Assignment, Future[bytes]]:
        return self._parts[0]

    def drop_first(self) -> None:
        self._parts.popleft()

    def wait(self, seconds: float) -> None:
        """Until the first part is there or there is room for another, so many seconds at the most."""
        _, future = self._parts[0]
        with self._ended:
            self._ended.wait_for(lambda: future.done() or self._has_room(), seconds)

    def cancel(self) -> None:
        """Forget what has not begun."""
        for _, future in self._parts:
            future.cancel()


def _check_worker(here: Agreement, jobs: tuple[Job, ...]) -> None:
    here.check(jobs)


def _compute_on_worker(assignment: Assignment, here: Agreement, threads: int) -> bytes:
    here.check([assignment.job])
    with _one_at_a_time:
        cpu.set_threads(min(threads, cpu.most_threads()))
        with ThreadPoolExecutor(1) as behind:
            pace = _pace(assignment.identity)
            return work.compute(assignment, pace, lambda: None, lambda count: None, behind).result()


def _missing(assignment: Assignment) -> int:
    return assignment.piece.count - (0 if assignment.start is None else assignment.start.count)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
