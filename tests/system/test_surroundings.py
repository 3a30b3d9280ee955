"""What surrounds a command: forks, pipes, closed and full outputs, encodings, settings of Numba, links, long names."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys

import pytest
from conftest import assert_same_bits, command_line

import mcflow
from mcflow.errors import InputError, Unfinished
from mcflow.running.interrupts import Interrupted

SMALL = ("--scheme", "kaiming_normal", "--activation", "relu", "--depth", "3", "--width", "16", "--networks", "60")


@pytest.fixture(scope="module")
def relu(tmp_path_factory):
    path = tmp_path_factory.mktemp("surroundings") / "relu.h5"
    subprocess.run(command_line("run", *SMALL, "--quiet", "-o", path), check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def wrong_gain(relu):
    """The same file, whose study claims a gain that its networks do not have."""
    path = relu.with_name("wrong.h5")
    study = mcflow.Study([mcflow.Case("kaiming_normal", "relu", depth=3, width=16, gain=2.5)], networks=60)
    mcflow.run(study, path).close()
    import h5py

    with h5py.File(path, "r+") as file:
        text = mcflow.Study(
            [mcflow.Case("kaiming_normal", "relu", depth=3, width=16, gain=1.4142)], networks=60
        ).to_toml()
        file.attrs["study"] = text
    return path


def _mean_of_last_layer(seed: int) -> float:
    study = mcflow.Study([mcflow.Case("kaiming_uniform", "relu", depth=3, width=16, batch=2)], networks=40, seed=seed)
    return float(mcflow.run(study, threads=2)["kaiming_uniform-relu"]["activation_second_moment_mean"][-1])


def test_forked_workers_of_a_process_that_has_run_compute_the_same():
    here = [_mean_of_last_layer(seed) for seed in range(3)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        there = pool.map_async(_mean_of_last_layer, range(3)).get(timeout=120)
    assert there == here


@pytest.mark.parametrize("error", [Interrupted(15), InputError("wrong"), Unfinished("disk full")])
def test_errors_come_whole_from_workers(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def _shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, **environment)
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, encoding="utf-8", errors="replace", env=environment, check=False
    )


def _command(*arguments: object) -> str:
    return " ".join(map(str, command_line(*arguments)))


def test_a_verdict_is_the_exit_code_when_its_reader_has_gone(relu, wrong_gain):
    for path, code in ((relu, 0), (wrong_gain, 1)):
        done = _shell(f"{_command('verify', path, '--all')} | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}")
        assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("verb", ["show", "--help"])
def test_a_full_or_closed_output_is_a_sentence_or_nothing(relu, verb):
    words = [*verb.split(), *([relu] if verb == "show" else [])]
    full = _shell(f"{_command(*words)} >/dev/full")
    assert (full.returncode, full.stderr) == (3, "mcflow: cannot write to standard output: No space left on device\n")
    closed = _shell(f"{_command(*words)} >&-")
    assert (closed.returncode, closed.stderr) == (0, "")
    assert _shell(f"{_command(*words)} 2>&- >/dev/null").returncode == 0


def test_nothing_that_is_printed_lands_in_a_file_where_outputs_are_closed(tmp_path, relu):
    path = tmp_path / "closed.h5"
    done = _shell(f"{_command('run', *SMALL, '-o', path)} >&- 2>&- <&-")
    assert done.returncode == 0
    assert_same_bits(path, relu)
    assert "whole" in _shell(_command("show", "--check", path)).stdout


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("cp1252", marks=pytest.mark.slow)])
def test_any_encoding_prints_the_table(relu, encoding):
    done = _shell(
        f"{_command('theory', '--depth', 2, '--width', 8)}; {_command('verify', relu, '--all')}",
        PYTHONIOENCODING=encoding,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert "kaiming_normal-relu" in done.stdout
    assert "\\u" not in done.stdout


@pytest.mark.parametrize(
    ("setting", "verb"),
    [
        ("NUMBA_NUM_THREADS=0", ("run", *SMALL)),
        ("NUMBA_NUM_THREADS=banana", ("run", *SMALL)),
        ("NUMBA_NUM_THREADS=-3", ("doctor",)),
        ("NUMBA_NUM_THREADS=0", ("recommend", "--activation", "relu")),
        ("NUMBA_NUM_THREADS=0", ("bench",)),
    ],
)
def test_a_setting_that_numba_does_not_take_is_named(mcflow_command, setting, verb):
    name, value = setting.split("=")
    done = mcflow_command(*verb, environment={name: value})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert setting in done.stderr


@pytest.mark.parametrize("layer", ["tbb", "banana"])
def test_no_threading_layer_of_numba_is_needed(mcflow_command, tmp_path, relu, layer):
    done = mcflow_command("run", *SMALL, "--quiet", "-o", "x.h5", environment={"NUMBA_THREADING_LAYER": layer})
    assert done.returncode == 0
    assert_same_bits(tmp_path / "x.h5", relu)


def test_what_a_link_points_to_is_replaced_and_the_link_stays(mcflow_command, tmp_path, relu):
    for name in ("real", "links"):
        (tmp_path / name).mkdir()
    cases = {
        "study.h5": ("run", *SMALL, "--quiet", "--overwrite", "-o"),
        "table.csv": ("export", relu, "--overwrite", "-o"),
        "page.html": ("report", relu, "-o"),
    }
    for file, command in cases.items():
        real, link = tmp_path / "real" / file, tmp_path / "links" / file
        real.write_text("before")
        link.symlink_to(real)
        done = mcflow_command(*command, link)
        assert done.returncode == 0, done.stderr
        assert link.is_symlink()
        assert real.is_file()
        assert real.stat().st_size > 100
        assert [path.name for path in (tmp_path / "links").iterdir() if not path.is_symlink()] == []
    assert_same_bits(tmp_path / "real" / "study.h5", relu)


def test_a_link_to_nothing_makes_what_it_names(mcflow_command, tmp_path):
    (tmp_path / "link.h5").symlink_to(tmp_path / "new.h5")
    assert mcflow_command("run", *SMALL, "--quiet", "-o", "link.h5").returncode == 0
    assert (tmp_path / "link.h5").is_symlink()
    assert (tmp_path / "new.h5").is_file()


LONG = "a" * 300


@pytest.mark.parametrize(
    "words",
    [
        ("run", *SMALL, "-o", f"{LONG}.h5"),
        ("run", *SMALL, "-o", f"{LONG}/x.h5"),
        ("run", "--scheme", LONG),
        ("run", "--activation", f"{LONG}:phi"),
        ("run", "--inputs", f"{LONG}.csv"),
        ("run", f"{LONG}.toml"),
        ("verify", f"{LONG}.h5"),
        ("show", "--follow", LONG),
        ("plot", LONG),
        ("merge", LONG, "-o", "x.h5"),
        ("export", "RELU", "-o", f"{LONG}.csv"),
        pytest.param(("report", "RELU", "-o", f"{LONG}.html"), marks=pytest.mark.slow),
        pytest.param(("plot", "RELU", "--figure", "flow", "-o", f"{LONG}.png"), marks=pytest.mark.slow),
        (LONG,),
    ],
    ids=lambda words: " ".join(words)[:30],
)
def test_a_name_of_three_hundred_letters_is_a_sentence(mcflow_command, relu, words):
    done = mcflow_command(*(relu if word == "RELU" else word for word in words))
    assert done.returncode == 2
    assert done.stderr.startswith("mcflow: ")
    assert done.stderr.count("\n") == 1


def test_a_case_with_a_long_name_gets_a_file(mcflow_command, tmp_path):
    name = "b" * 280
    (tmp_path / "mine.py").write_text(f"def {name}(h):\n    return 2.0 * h\n\ndef slope(h):\n    return 2.0\n")
    done = mcflow_command(
        "run", "--scheme", "lecun_normal", "--activation", f"mine:{name},slope", *SMALL[4:], "--quiet"
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "runs").glob("*.h5")
    assert path.stat().st_size > 1000


def test_python_without_a_terminal_prints_as_before():
    """The streams of a program that imports mcflow are its own."""
    code = (
        "import sys, mcflow, mcflow.cli; before = sys.stdout; mcflow.cli.call(['--help']); assert sys.stdout is before"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
