"""Two writers on one output: the second is refused; a dead one's lock is taken over and said."""

import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import command_line

import mcflow
from mcflow.errors import InputError
from mcflow.running import space

STUDY = (
    "run",
    "--scheme",
    "kaiming_normal",
    "--activation",
    "relu",
    "--depth",
    "4",
    "--width",
    "8",
    "--networks",
    "3000",
)


def test_the_second_writer_is_refused_and_a_dead_ones_lock_taken_over(tmp_path, mcflow_command):
    first = subprocess.Popen(command_line(*STUDY, "-o", "a.h5", part=16, stand_in=True), cwd=tmp_path)
    while not list((tmp_path / "a.h5.parts").glob("case*")):
        assert first.poll() is None
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)  # alive, and not done before the second comes
    second = mcflow_command(*STUDY, "-o", "a.h5", "--resume", "--quiet", part=16, stand_in=True)
    assert second.returncode == 2
    assert f"process {first.pid} on this host" in second.stderr
    assert second.stderr.count("\n") == 1
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    third = mcflow_command(*STUDY, "-o", "a.h5", "--resume", part=16, stand_in=True)
    assert third.returncode == 0, third.stderr
    assert f"took over the lock of process {first.pid}" in third.stderr
    assert [item.name for item in tmp_path.iterdir()] == ["a.h5"]


def test_of_many_that_start_at_once_one_writes(tmp_path):
    processes = [
        subprocess.Popen(
            command_line(*STUDY, "-o", "a.h5", "--resume", part=16, stand_in=True),
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    codes = []
    for process in processes:
        stderr = process.communicate(timeout=120)[1]
        codes.append(process.returncode)
        assert process.returncode == 0 or "is being written" in stderr, stderr
    assert 0 in codes
    assert [item.name for item in tmp_path.iterdir()] == ["a.h5"]


def test_writers_that_come_and_go_are_let_in_or_told_who_writes(tmp_path):
    """The folder is made, locked, and removed by each: nothing in between may look like a disk that takes no file."""
    code = """
from pathlib import Path
from mcflow.errors import InputError
from mcflow.files.target import Target, opened

written = 0
while written < 20:
    try:
        with opened(Target(Path("a.h5")), print) as parts:
            (parts.folder / "mine").touch(exist_ok=False)
            (parts.folder / "mine").unlink()
        written += 1
    except InputError as error:
        assert "is being written" in str(error), error
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        stderr = process.communicate(timeout=120)[1]
        assert process.returncode == 0, stderr
    assert not list(tmp_path.iterdir())


def test_a_file_made_while_a_run_waited_for_the_lock_is_not_overwritten(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    check = space.check

    def another_ends_meanwhile(*arguments):
        path.write_bytes(b"of another run")
        return check(*arguments)

    monkeypatch.setattr(space, "check", another_ends_meanwhile)
    study = mcflow.Study([mcflow.Case("kaiming_normal", "relu", depth=2, width=4)], networks=8)
    with pytest.raises(InputError, match=r"a\.h5 exists; give resume=True"):
        mcflow.run(study, path)
    assert path.read_bytes() == b"of another run"
    assert list(tmp_path.iterdir()) == [path]
