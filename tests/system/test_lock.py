"""One holder of a lock, whatever happens between two steps of who takes a dead one's lock over, and who dies there."""

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress

import pytest

from mcflow.errors import InputError
from mcflow.files import lock

# A file system without links, in another process too.
WITHOUT_LINKS = """
import os
def refused(*arguments, **more):
    raise PermissionError(1, "Operation not permitted")
os.link = refused
"""
HOLD = """
import sys
from pathlib import Path
from mcflow.files import lock
try:
    with lock.hold(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.readline()
except lock.InputError as error:
    print("refused", error, flush=True)
"""
END = """
import os, sys
from pathlib import Path
from mcflow.files import lock
with lock.hold(Path(sys.argv[1])):
    os._exit(0)
"""
# A taker that dies at the first (or second, ...) lock or claim that it removes: a file, or a folder that it renames.
DIE = """
import os, sys
from pathlib import Path
from mcflow.files import lock
steps = [int(sys.argv[2])]
def dying(step):
    def do(path, *arguments, **more):
        if path.suffix != ".new" and path.name != "owner" and path.exists():
            steps[0] -= 1
            if steps[0] < 0:
                os._exit(9)
        return step(path, *arguments, **more)
    return do
Path.unlink, Path.rename = dying(Path.unlink), dying(Path.rename)
with lock.hold(Path(sys.argv[1])):
    pass
"""


@pytest.fixture(params=[True, False], ids=["links", "no links"])
def links(request, monkeypatch):
    """Whether the file system has hard links."""
    if not request.param:
        monkeypatch.setattr(lock.os, "link", _refused)
    return request.param


def _refused(*arguments, **more):
    raise PermissionError(1, "Operation not permitted")


def program(text, links):
    return [sys.executable, "-c", text if links else WITHOUT_LINKS + text]


@pytest.fixture
def dead(tmp_path, links):
    """A folder with the lock of a process that has ended."""
    subprocess.run([*program(END, links), str(tmp_path)], check=True)
    assert (tmp_path / "lock").exists()
    return tmp_path


class Writer:
    """Another process that tries to hold the lock, and holds it until it is let go."""

    def __init__(self, folder, links=True):
        command = [*program(HOLD, links), str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.communicate("\n")


@pytest.mark.parametrize("pause", range(1, 6))
def test_a_slow_taker_never_lets_a_third_writer_in(dead, links, monkeypatch, pause):
    """It finds the lock stale and pauses; another takes it over; at every step after, a third writer comes."""
    with ExitStack() as stack:
        judged, others = lock._alive, []

        def slow(owner):
            found = judged(owner)
            if not found and not others:
                others.append(stack.enter_context(Writer(dead, links)))
            elif others:
                step()
            return found

        reads = iter(range(1, 100))

        def step():
            if next(reads) == pause:
                others.append(stack.enter_context(Writer(dead, links)))

        read = lock._read
        monkeypatch.setattr(lock, "_alive", slow)
        monkeypatch.setattr(lock, "_read", lambda path: (step() if others else None, read(path))[1])
        with pytest.raises(InputError, match=r"written by process \d+ on this host"):
            stack.enter_context(lock.hold(dead))
        assert [writer.said.split()[0] for writer in others] == ["held", "refused"][: len(others)]
    assert not list(dead.iterdir())


@pytest.mark.parametrize("crashes", [[0], [1], [0, 0], [0, 1], [0, 0, 0], [0, 0, 1], [0, 0, 2]])
def test_a_taker_that_dies_is_taken_over_itself(dead, links, crashes):
    for steps in crashes:
        done = subprocess.run([*program(DIE, links), str(dead), str(steps)], check=False)
        assert done.returncode == 9
    said = []
    with lock.hold(dead, said.append):
        assert json.loads((dead / "lock" if links else dead / "lock" / "owner").read_text())["pid"] == os.getpid()
    assert not list(dead.iterdir())
    assert len(said) == (crashes[-1] == 0)


def test_a_taker_that_stands_still_is_named(dead, monkeypatch):
    monkeypatch.setattr(lock, "_PATIENCE", 0.1)
    owner = lock._read(dead / "lock")
    (dead / "elsewhere").mkdir()
    with Writer(dead / "elsewhere") as other:
        pid = other.process.pid
        claim = {"host": socket.gethostname(), "pid": pid, "start": lock._start_of(pid)}
        path = lock._claim(dead / "lock", owner)
        path.write_text(json.dumps(claim))
        with pytest.raises(InputError, match=rf"taken over by process {pid} on .*remove .*taking"):
            lock.hold(dead).__enter__()


@pytest.mark.parametrize(
    ("owner", "step", "times"),
    [(os, "link", 1), (os, "write", 1), (os, "write", 2), (lock.Path, "rename", 1), (lock.Path, "rename", 2)],
)
def test_a_writer_that_stands_still_while_making_its_lock_never_joins_another(
    tmp_path, monkeypatch, owner, step, times
):
    """Before each step of it, until another writer has come."""
    links = step == "link"
    if not links:
        monkeypatch.setattr(lock.os, "link", _refused)
    do, calls, others = getattr(owner, step), [], []
    with ExitStack() as stack:

        def late(*arguments, **more):
            calls.append(step)
            if len(calls) == times:
                others.append(stack.enter_context(Writer(tmp_path, links)))
            return do(*arguments, **more)

        monkeypatch.setattr(owner, step, late)
        holders = 0
        with suppress(InputError), lock.hold(tmp_path):
            holders = 1
        assert holders + [writer.said for writer in others].count("held\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("links", [False], indirect=True)
def test_a_lock_that_was_emptied_by_hand_holds_nobody(tmp_path, links):
    (tmp_path / "lock").mkdir()
    with lock.hold(tmp_path):
        assert lock.holder(tmp_path) == f"process {os.getpid()} on {socket.gethostname()}"
    assert not list(tmp_path.iterdir())


def test_one_of_several_threads_holds(dead):
    inside, most = [], []

    def write():
        for _ in range(20):
            try:
                with lock.hold(dead):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except InputError:
                pass

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most
    assert max(most) == 1
    assert not list(dead.iterdir())


def test_a_link_whose_answer_was_lost_and_that_is_asked_for_again_is_ours(tmp_path, monkeypatch):
    real = os.link

    def repeated(source, target):
        real(source, target)
        real(source, target)  # as NFS does: the second one finds the first one's file

    monkeypatch.setattr(os, "link", repeated)
    with lock.hold(tmp_path):
        assert lock.holder(tmp_path) == f"process {os.getpid()} on {socket.gethostname()}"
        with pytest.raises(InputError, match="is being written by process"), lock.hold(tmp_path):
            pass
    assert not list(tmp_path.iterdir())
