"""What a run says while it goes: a bar on a terminal, lines elsewhere, nothing with --quiet."""

import os
import pty
import re
import subprocess

import pytest
from conftest import command_line

from mcflow.running import progress

RUN = ("run", "--scheme", "xavier_normal", "--activation", "relu", "--depth", "3", "--width", "16")


def _in_a_terminal(command, folder):
    """What the command writes to a stderr that is a terminal, and its exit code."""
    ours, theirs = pty.openpty()
    environment = dict(os.environ, TERM="xterm", COLUMNS="120")
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, env=environment
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # Linux: the other end was closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    process.communicate(timeout=60)
    return said.decode(), process.returncode


def test_on_a_terminal_there_is_a_bar_with_rate_and_time_left(tmp_path):
    said, code = _in_a_terminal(command_line(*RUN, "--networks", 4000, "-o", "a.h5", part=256), tmp_path)
    assert code == 0, said
    assert "networks/s" in said
    assert "4000/4000" in said
    assert re.search(r"\d+:\d\d:\d\d", said)  # time left
    assert "\x1b[" in said  # it moves


def test_quiet_says_nothing_on_a_terminal(tmp_path):
    said, code = _in_a_terminal(command_line(*RUN, "--networks", 40, "-o", "a.h5", "--quiet"), tmp_path)
    assert (said, code) == ("", 0)


def test_quiet_says_nothing_in_a_pipe(mcflow_command):
    done = mcflow_command(*RUN, "--networks", 40, "-o", "a.h5", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")


def test_elsewhere_there_is_a_line_every_interval(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    watch = progress.watcher(quiet=False)
    assert type(watch) is progress.Lines
    watch.begin(total=1000, done=100)
    for _ in range(9):
        now[0] += 10.0
        watch.advance("xavier_normal-relu", 30)
    watch.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "mcflow: xavier_normal-relu: 190 of 1000 networks, 19 %, 3/s, 270 s left",
        "mcflow: xavier_normal-relu: 280 of 1000 networks, 28 %, 3/s, 240 s left",
        "mcflow: xavier_normal-relu: 370 of 1000 networks, 37 %, 3/s, 210 s left",
    ]


def test_lines_come_from_a_run_in_a_pipe(capsys, monkeypatch, tmp_path):
    from mcflow.cli import call

    monkeypatch.setattr(progress, "_EVERY", 0.0)
    monkeypatch.setattr(progress, "_SHORTEST", 0.0)  # so few networks may take less than what tells a user a rate
    assert call([*RUN, "--networks", "40", "-o", str(tmp_path / "a.h5")]) == 0
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert re.search(r"mcflow: xavier_normal-relu: 40 of 40 networks, 100 %, .*/s, 0 s left", said)


def test_two_blocks_at_once_tell_no_rate(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    watch = progress.watcher(quiet=False)
    watch.begin(total=100, done=0)
    for _ in range(2):
        now[0] += 0.001
        watch.advance("xavier_normal-relu", 30)
    assert capsys.readouterr().err.splitlines() == [
        "mcflow: xavier_normal-relu: 30 of 100 networks, 30 %",
        "mcflow: xavier_normal-relu: 60 of 100 networks, 60 %",
    ]


@pytest.mark.parametrize("quiet", [True, False])
def test_the_watcher_fits_where_stderr_goes(monkeypatch, quiet):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    assert type(progress.watcher(quiet)) is (progress.Silent if quiet else progress.Bar)
