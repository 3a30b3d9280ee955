"""One line on the terminal that says what is being done, and is gone when it is done."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator

_ERASE = "\r\x1b[2K"


@contextlib.contextmanager
def shown() -> Iterator[Callable[[str], None]]:
    """A function that shows a few words on stderr in place of those before, none to clear them.

    It says nothing where no one looks: on what is not a terminal.
    """
    if not sys.stderr.isatty():
        yield lambda words: None
        return

    def show(words: str) -> None:
        width = shutil.get_terminal_size().columns
        print(f"{_ERASE}{words}"[: width + len(_ERASE) - 1], end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print(_ERASE, end="", file=sys.stderr, flush=True)
