"""A process of a crew: it opens the file it is told, and answers one task after another until there are no more."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path

from mcflow.answers.subject import Subject
from mcflow.errors import at_the_command_line
from mcflow.files.result import Result


def main() -> int:
    """Tasks come as pickles on stdin, from the process that started this one, and answers go to stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed is no answer
    path, identity, typed = pickle.load(sys.stdin.buffer)
    with Result(Path(path)) as result, at_the_command_line(typed):
        status = os.stat(path)
        if (status.st_dev, status.st_ino) != identity:
            return 1  # another file has come to stand there
        subject = Subject(result)
        while True:
            try:
                function, task = pickle.load(sys.stdin.buffer)
            except EOFError:
                return 0
            try:
                answer = True, function(subject, *task)
            except Exception:  # the one who asked tries it too, and raises what it finds
                answer = False, None
            pickle.dump(answer, answers)
            answers.flush()


if __name__ == "__main__":
    sys.exit(main())
