"""Where a process prints: fit for a closed or full stdout, a reader that has gone, and encodings of few characters."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import unicodedata

_PLAIN = {
    "±": "+-",
    "·": ".",
    "×": "x",
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "√": "sqrt ",
}
_ERRORS = "mcflow-plain"  # the name of ``_plainly`` among Python's ways with what an encoding has not


class _Sink(io.FileIO):
    """A descriptor that never fails: what it does not take is dropped, and the first ``failure`` remembered.

    A verdict is the exit code, and what was computed is in its file: neither hangs on who reads the table.
    """

    failure: OSError | None = None

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self.failure is None:
            try:
                return super().write(data)
            except OSError as error:
                self.failure = error
        return len(data)


_sinks: dict[str, _Sink] = {}


def prepare() -> None:
    """Put streams that take anything in the place of stdout and stderr; closed ones take it and lose it."""
    codecs.register_error(_ERRORS, _plainly)
    for descriptor in range(3):  # or the next file that is opened would get the number, and what is printed into it
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        before = getattr(sys, name)
        if before is not None:
            before.flush()
        sink = _Sink(descriptor, "w", closefd=False)
        encoding = getattr(before, "encoding", None) or "utf-8"
        lines = descriptor == 2 or sink.isatty()
        buffered = io.BufferedWriter(sink)  # type: ignore[type-var]
        setattr(sys, name, io.TextIOWrapper(buffered, encoding, _ERRORS, line_buffering=lines))
        _sinks[name] = sink


def failure() -> OSError | None:
    """Why stdout did not take all that was printed; None where it did, or where its reader has gone."""
    sys.stdout.flush()
    found = _sinks["stdout"].failure
    return None if found is None or found.errno == errno.EPIPE else found


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding has not: their like in ASCII, else their number."""
    assert isinstance(error, UnicodeEncodeError)
    characters = error.object[error.start : error.end]
    return "".join(map(_plain, characters)), error.end


def _plain(character: str) -> str:
    like = _PLAIN.get(character) or unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return like or character.encode("ascii", "backslashreplace").decode()
