"""Ctrl-C and SIGTERM: the first ends the work at the next block with whole parts, the second ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from types import FrameType


class Interrupted(Exception):
    """A signal asked for the end; whole parts are kept. ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)  # what it is made of again where it is unpickled, on its way from a worker
        self.number = number

    def __str__(self) -> str:
        return signal.Signals(self.number).name


class Interrupts:
    """Whether a signal has come; ``beside`` is work that the run is of no use without, as the writing of a part."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.beside: Future[None] | None = None

    def check(self) -> None:
        """Raise Interrupted where a signal has come, and what the work beside raised where it failed."""
        if self.received is not None:
            raise Interrupted(self.received)
        if self.beside is not None and self.beside.done():
            self.beside.result()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            os._exit(128 + number)
        self.received = number


@contextlib.contextmanager
def caught() -> Iterator[Interrupts]:
    """Catch the signals for the time of a with block; outside the main thread, where Python forbids it, do nothing."""
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupts._handle) for number in numbers]
    try:
        yield interrupts
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
