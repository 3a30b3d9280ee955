"""Telling how far a run is: a bar on a terminal, a line every 30 s elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from mcflow.plural import counted

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_EVERY = 30.0  # seconds between two lines where there is no terminal
_SHORTEST = 0.01  # seconds that tell a rate: the first blocks of several workers may be reported together


class Silent:
    """Says nothing; the others say more. Counts are of networks, over all cases."""

    def announce(self, sentence: str) -> None:
        """What is about to be done."""

    def begin(self, total: int, done: int) -> None:
        """The work: ``total`` networks, ``done`` of which were there already."""

    def advance(self, case: str, count: int) -> None:
        """``count`` more networks of ``case``."""

    def say(self, sentence: str) -> None:
        """One line that the user should see."""

    def close(self) -> None:
        """The work has ended, well or not."""


class Lines(Silent):
    """A line on stderr every 30 s.

    The rate leaves out the first block, which waits for kernels to be compiled: it would tell of hours.
    """

    def announce(self, sentence: str) -> None:
        self.say(sentence)

    def begin(self, total: int, done: int) -> None:
        self._total, self._done = total, done
        self._first: tuple[int, float] | None = None  # networks done, and when, at the end of the first block
        self._spoke = time.monotonic()

    def _rate(self, count: int) -> float | None:
        """Count ``count`` networks; networks a second since the first block, None while that is too short to tell."""
        self._done += count
        if self._first is None:
            self._first = self._done, time.monotonic()
            return None
        done, since = self._first
        elapsed = time.monotonic() - since
        return (self._done - done) / elapsed if elapsed > _SHORTEST else None

    def advance(self, case: str, count: int) -> None:
        rate = self._rate(count)
        now = time.monotonic()
        if now - self._spoke >= _EVERY:
            self._spoke = now
            speed = f", {rate:.3g}/s, {(self._total - self._done) / rate:.0f} s left" if rate else ""
            share = 100 * self._done / self._total
            self.say(f"{case}: {self._done} of {counted(self._total, 'network')}, {share:.0f} %{speed}")

    def say(self, sentence: str) -> None:
        print(f"mcflow: {sentence}", file=sys.stderr, flush=True)


class Bar(Lines):
    """A bar on the terminal that stderr is."""

    _progress: Progress | None = None
    _task: TaskID

    def begin(self, total: int, done: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        super().begin(total, done)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]} networks/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._progress.start()
        self._task = self._progress.add_task("compiling", total=total, completed=done, rate="-")

    def advance(self, case: str, count: int) -> None:
        assert self._progress is not None
        rate = self._rate(count)
        self._progress.update(self._task, advance=count, description=case, rate=f"{rate:.3g}" if rate else "-")

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def watcher(quiet: bool) -> Silent:
    """The one that fits where stderr goes."""
    if quiet:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines()
