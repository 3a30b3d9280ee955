"""What commands print in a terminal of some width: no number is cut."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest
from conftest import command_line

from mcflow import Case, Study, run

WIDTHS = (60, 80, 100, 140)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("width") / "small.h5"
    case = Case("kaiming_normal", "leaky_relu:0.25", depth=6, width=16, batch=2, correlation=0.5)
    run(Study(case, networks=200), path).close()
    return path


def in_terminal(width, *arguments):
    """Run the command with a terminal of that many columns as its stdout, and return what it printed there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"} | {"NO_COLOR": "1"}
    child = subprocess.Popen(command_line(*arguments), stdout=slave, stderr=subprocess.PIPE, env=environment)
    os.close(slave)
    found = b""
    try:
        while block := os.read(master, 1 << 16):
            found += block
    except OSError:  # the child has closed its end
        pass
    os.close(master)
    error = child.communicate()[1].decode()
    assert child.returncode == 0, error
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", found.decode()).replace("\r\n", "\n")


def tables_of(text):
    """The lines that are a table's: those of several columns."""
    return [line for line in text.splitlines() if re.search(r"\S {2,}\S", line)]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_prediction_of_two_inputs_fits(width):
    options = ("--scheme", "kaiming_normal", "--activation", "gelu", "--batch", 2, "--correlation", 0.5, "--depth", 9)
    text = in_terminal(width, "theory", *options)
    assert "…" not in text
    assert max(map(len, tables_of(text))) <= width
    layers = re.findall(r"^[│ ]*([1-9])[│ ]", text, re.MULTILINE)
    assert layers == list("123456789")


@pytest.mark.parametrize("verb", ["verify", "compare", "show"])
def test_what_is_said_of_a_file_fits_eighty_columns(study, verb):
    text = in_terminal(80, verb, study)
    assert "…" not in text
    assert max(map(len, tables_of(text))) <= 80


def test_the_tests_of_verify_fit_sixty_columns_as_lines(study):
    text = in_terminal(60, "verify", study, "--full")
    assert "…" not in text
    assert re.search(r"^mean x\^2\n  of +mean\n  layer +\d\n  measured +\S+ ± \S+\n  predicted", text, re.MULTILINE)


def test_verify_is_short_until_it_is_asked_for_more(study):
    short, full = (in_terminal(100, "verify", study, *more) for more in ((), ("--full",)))
    assert "consistent" in short
    assert "a gain wrong by" not in short
    assert "a gain wrong by" in full
    assert len(short.splitlines()) < 10 < len(full.splitlines())
