"""The script for a machine with a GPU, with an interpreter that stands in: every step is tried, timed and summed up."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "gpu" / "check_device.sh"
STEPS = (
    "doctor", "suite", "verify_million", "verify_collapsed", "verify_direct", "default_cold", "default_warm", "rates",
)  # fmt: skip
STAND_IN = """#!/usr/bin/env bash
# the heredoc that tells versions is real; every other call is written down and ends as FAULTS say
[ "$1" = - ] && exec {python} -
echo "$* | ${{NUMBA_CACHE_DIR##*/}}" >>"$CALLS"
case "$*" in
*cuda_detection*) echo "${{NO_GPU:-}}" ;;
*"import pytest, xdist"*) [ -z "${{NO_XDIST:-}}" ] || {{ echo "ModuleNotFoundError: xdist" >&2; exit 1; }} ;;
*tests/gpu*) [ -z "${{SLOW:-}}" ] || exec sleep 60 ;;
*lecun_uniform*) [ -z "${{FAULTY:-}}" ] || {{ echo "it is inconsistent"; exit 1; }} ;;
*) echo "last line of $2 $3" ;;
esac
"""


@pytest.fixture
def check(tmp_path):
    """Run the script; its exit code, its summary, and the calls of its interpreter."""
    python, calls, out = tmp_path / "python", tmp_path / "calls", tmp_path / "out"
    python.write_text(STAND_IN.format(python=sys.executable))
    python.chmod(0o755)

    def run(**environment):
        calls.write_text("")
        given = {"PYTHON": str(python), "CALLS": str(calls), "PATH": "/usr/bin:/bin", **environment}
        done = subprocess.run(
            ["bash", str(SCRIPT), str(out)], env=given, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, (out / "summary.txt").read_text(), calls.read_text().splitlines()

    return run


def results(summary):
    """What came of each step."""
    lines = [line for line in summary.splitlines() if line.split(" ", 1)[0] in STEPS]
    return {line[:18].strip(): line[19:28].strip() for line in lines}


def test_every_step_is_tried_and_the_summary_is_a_page(check):
    code, summary, calls = check()
    assert results(summary) == dict.fromkeys(STEPS, "ok")
    assert code == 0
    assert "every step is ok" in summary
    assert len(summary.splitlines()) <= 60
    assert all(word in summary for word in ("Python 3.", "numpy 2.", "pytest-benchmark", " UTC"))
    cold = [call for call in calls if "cold.h5" in call or "warm.h5" in call]
    assert [call.rpartition(" | ")[2] for call in cold] == ["kernels_of_default"] * 2
    (suite,) = [call for call in calls if "tests/gpu" in call]
    assert "-m gpu" in suite
    assert " -W" not in suite  # warnings are errors, as pyproject.toml says


def test_a_step_that_fails_does_not_stop_the_others(check):
    code, summary, calls = check(FAULTY="1", NO_XDIST="1")
    found = results(summary)
    assert (found.pop("verify_direct"), found.pop("suite")) == ("exit 1", "left out")
    assert set(found.values()) == {"ok"}
    assert code == 1
    assert "NOT every step is ok" in summary
    assert "    it is inconsistent" in summary
    assert "    ModuleNotFoundError: xdist" in summary
    assert not any("tests/gpu" in call for call in calls)


def test_without_a_gpu_it_says_why_and_tries_nothing(check):
    code, summary, calls = check(NO_GPU="there is no NVIDIA driver")
    assert code == 1
    assert summary.endswith("no GPU: there is no NVIDIA driver\n")
    assert len(calls) == 2


def test_it_ends_in_time_whatever_its_steps_take(check):
    code, summary, calls = check(SLOW="1", CHECK_SECONDS="9")
    found = results(summary)
    assert (found.pop("doctor"), found.pop("suite")) == ("ok", "too long")
    assert found == dict.fromkeys(STEPS[2:], "left out")
    assert code == 1
    assert "tests/gpu" in calls[-1]
