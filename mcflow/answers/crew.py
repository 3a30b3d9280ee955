"""Work on a study shared with other processes of this machine: tasks, each done from end to end by one of them."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from threading import Thread
from typing import Any

from mcflow import child_process, machine
from mcflow.answers.subject import Subject
from mcflow.errors import is_at_the_command_line
from mcflow.model import definitions

FEWEST = 6  # cases: the theory of fewer takes about as long as a process to start
MOST = 7  # processes beside this one
MEMORY = 1 << 29  # bytes that one of them may take
Work = Callable[..., Any]


class _Lost(Exception):
    """A process did not do its task; whoever asked does it."""


class _Child:
    """A process that has opened the same file, and does one task after another."""

    def __init__(self, path: str, identity: tuple[int, int]) -> None:
        command = [sys.executable, "-P", "-m", "mcflow.answers.crew_child"]
        pipe = subprocess.PIPE
        environment = child_process.environment()
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment)
        self._say((path, identity, is_at_the_command_line()))

    def ask(self, function: Work, task: tuple[Any, ...]) -> Any:
        """What it answers. Raises _Lost where it cannot."""
        self._say((function, task))
        try:
            done, answer = pickle.load(self._process.stdout)  # type: ignore[arg-type]
        except Exception as error:  # whatever half an answer makes of itself
            raise _Lost from error
        if not done:
            raise _Lost
        return answer

    def _say(self, words: Any) -> None:
        assert self._process.stdin is not None
        try:
            pickle.dump(words, self._process.stdin)
            self._process.stdin.flush()
        except (OSError, ValueError) as error:  # ValueError: closed
            raise _Lost from error

    def close(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


class Crew:
    """This process and others, which share tasks on one study. An answer does not depend on who gave it."""

    def __init__(self, subject: Subject, children: Sequence[_Child]) -> None:
        self._subject, self._children = subject, list(children)

    def answers(self, function: Work, tasks: Sequence[tuple[Any, ...]], own: Sequence[int] = ()) -> list[Any]:
        """``function(subject, *task)`` of every task, in their order; those of ``own`` are done by this process, first.

        ``function`` is one of a module. What another process cannot do this one does: its exceptions come from here.
        """
        found: dict[int, Any] = {}
        waiting = deque(place for place in range(len(tasks)) if place not in own)

        def serve(child: _Child) -> None:
            with contextlib.suppress(IndexError):
                while True:
                    place = waiting.popleft()
                    try:
                        found[place] = child.ask(function, tasks[place])
                    except _Lost:
                        self._children.remove(child)
                        return

        threads = [Thread(target=serve, args=(child,), daemon=True) for child in self._children]
        for thread in threads:
            thread.start()
        for place in own:
            found[place] = function(self._subject, *tasks[place])
        with contextlib.suppress(IndexError):
            while True:
                place = waiting.popleft()
                found[place] = function(self._subject, *tasks[place])
        for thread in threads:
            thread.join()
        for place in range(len(tasks)):
            if place not in found:
                found[place] = function(self._subject, *tasks[place])
        return [found[place] for place in range(len(tasks))]


@contextlib.contextmanager
def hired(subject: Subject) -> Iterator[None]:
    """Others share the work on a study for as long as this lasts, where there are cores, and work, for them."""
    children: list[_Child] = []
    try:
        with contextlib.suppress(OSError, _Lost):  # without them it takes longer
            for _ in range(_useful(subject)):
                status = os.stat(subject.path or "")
                children.append(_Child(str(subject.path), (status.st_dev, status.st_ino)))
        subject.crew = Crew(subject, children)
        yield
    finally:
        subject.crew = None
        for child in children:
            child.close()


def answers(subject: Subject, function: Work, tasks: Sequence[tuple[Any, ...]], own: Sequence[int] = ()) -> list[Any]:
    """As ``Crew.answers``, of the study's crew, or of this process where it has none."""
    return (subject.crew or Crew(subject, ())).answers(function, tasks, own)


def _useful(subject: Subject) -> int:
    """How many other processes are worth their start: none for what they cannot open, or not understand."""
    if subject.path is None or len(subject.names) < FEWEST:
        return 0
    if any(definitions.is_own(subject.case(name)) for name in subject.names):
        return 0
    return max(0, min(machine.cores() - 1, len(subject.names) - 1, MOST, machine.available_memory() // MEMORY - 1))
