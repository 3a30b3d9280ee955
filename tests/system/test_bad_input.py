"""Every mistake is one line on stderr and exit code 2, with nothing written."""

import ctypes
import os
import resource

import numpy as np
import pytest

from mcflow.cli import call

RUN = ["run", "--networks", "4", "--depth", "2", "--width", "4", "--quiet"]


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(capsys, arguments, *words):
    before = sorted(os.listdir("."))
    assert call(list(map(str, arguments))) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("mcflow: ")
    for word in words:
        assert word in captured.err
    assert sorted(os.listdir(".")) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scheme", "kaimng_normal"], ["kaimng_normal", "kaiming_normal"]),
        (["--activation", "reul"], ["reul", "relu"]),
        (["--activation", "nowhere:phi,dphi"], ["nowhere"]),
        (["--depth", "0"], ["depth"]),
        (["--depth", "-3"], ["depth"]),
        (["--width", "0"], ["width"]),
        (["--width", "4,-4"], ["width"]),
        (["--width", "4,4,8"], ["depth"]),
        (["--width", "4;4"], ["--width"]),
        (["--width", "1" * 30], ["memory"]),
        (["--batch", "0"], ["batch"]),
        (["--features", "0"], ["features"]),
        (["--networks", "0"], ["networks"]),
        (["--networks", "many"], ["many"]),
        (["--seed", "-1"], ["seed"]),
        (["--seed", str(1 << 64)], ["seed"]),
        (["--gain", "torhc"], ["torhc"]),
        (["--gain", "nan"], ["gain"]),
        (["--gain", "torch", "--activation", "gelu"], ["calculate_gain"]),
        (["--mode", "fan_on"], ["fan_on"]),
        (["--bias-std", "-1"], ["bias_std", "0 or more"]),
        (["--batch", "10000000000000"], ["memory"]),
        (["-o", ""], ["-o is empty"]),
        (["-o", "/proc/x.h5"], ["/proc", "-o"]),
        (["--correlation", "2", "--batch", "2"], ["correlation"]),
        (["--correlation", "0.5", "--batch", "3"], ["even"]),
        (["--method", "fast"], ["fast"]),
        (["--device", "tpu"], ["tpu"]),
        (["--keep", "all"], ["all"]),
        (["--threads", "0"], ["threads"]),
        (["--threads", "100000"], ["threads"]),
        (["--until-error", "2"], ["until_error"]),
        (["--shard", "3/2"], ["3/2"]),
        (["--shard", "a/b"], ["a/b"]),
        (["--shard", "auto"], ["SLURM_ARRAY_TASK_ID"]),
        (["--inputs", "absent.npy"], ["absent.npy"]),
        (["--nonsense"], ["--nonsense"]),
        (["absent.toml"], ["absent.toml"]),
    ],
)
def test_a_mistake_is_one_line(capsys, monkeypatch, arguments, words):
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    refused(capsys, [*RUN, *arguments], *words)


def test_unknown_verbs_are_answered_with_near_ones(capsys):
    refused(capsys, ["rnu"], "rnu", "run")


def test_bad_study_files_are_one_line(capsys, tmp_path):
    for text, word in [
        ("networks = ", "TOML"),
        ("networks = 5", "case"),
        ("nets = 5\n[[case]]", "nets"),
        ('[[case]]\nscheme = "kaimng"', "kaimng"),
        ("[[case]]\n[[case]]", "twice"),
        ('networks = "x"\n[[case]]', "networks"),
    ]:
        (tmp_path / "study.toml").write_text(text)
        refused(capsys, ["run", "study.toml"], word)


def test_bad_inputs_are_one_line(capsys, tmp_path):
    rows = np.ones((3, 4))
    rows[1, 2] = np.nan
    np.save(tmp_path / "nan.npy", rows)
    refused(capsys, [*RUN, "--inputs", "nan.npy"], "row 2, column 3")
    (tmp_path / "missing.csv").write_text("1,,3\n4,5,6\n")
    refused(capsys, [*RUN, "--inputs", "missing.csv"], "line 1, column 2")
    np.save(tmp_path / "one.npy", np.ones(4))
    refused(capsys, [*RUN, "--inputs", "one.npy"], "(inputs, features)", "(1, 4)")
    np.save(tmp_path / "good.npy", np.ones((3, 4)))
    refused(capsys, [*RUN, "--inputs", "good.npy:zz"], ".npy", "zz")
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
    refused(capsys, [*RUN, "--inputs", "cut.h5:x"], "cut.h5")


@pytest.mark.parametrize("junk", [b"junk" * 50, b"", b"\x80\x04" + bytes(40), b"\x93NUMPY\x01\x00" + b"junk" * 50])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_junk_array_file_is_refused_without_advice_on_pickle(capsys, tmp_path, suffix, junk):
    (tmp_path / f"junk{suffix}").write_bytes(junk)
    assert call([*RUN, "--inputs", f"junk{suffix}"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"junk{suffix}" in said
    assert "pickle" not in said


def test_a_large_batch_is_refused_before_inputs_are_drawn(capsys, monkeypatch):
    from mcflow.inputs import case_inputs

    monkeypatch.setattr(case_inputs, "read", lambda case, seed: pytest.fail("inputs were drawn"))
    refused(capsys, [*RUN, "--batch", "10000000000000"], "needs about", "memory")


@pytest.mark.parametrize("path", [".", "", "/", "absent.h5", "absent/"])
@pytest.mark.parametrize("verb", ["verify", "compare", "plot", "export", "report", "show"])
def test_a_folder_or_a_missing_file_is_one_line(capsys, verb, path):
    output = ["-o", "table.csv"] if verb == "export" else []
    refused(capsys, [verb, path, *output], "file")


def test_too_little_memory_or_disk_is_said_before_the_start(capsys):
    refused(capsys, [*RUN, "--width", "3000000", "--batch", "100000"], "memory")
    refused(capsys, [*RUN, "--networks", str(1 << 40)], "disk")


def test_a_missing_output_folder_is_made(capsys, tmp_path):
    assert call([*RUN, "--scheme", "xavier_normal", "--activation", "relu", "-o", "new/folder/a.h5"]) == 0
    assert os.listdir("new/folder") == ["a.h5"]


def test_an_output_that_is_a_folder_or_below_a_file_is_refused(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    refused(capsys, [*RUN, "-o", "file/a.h5"], "file")


def test_no_permission_is_one_line(mcflow_command, tmp_path):
    """Also as root, in a child that has given up root's right to write everywhere."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    done = mcflow_command(*RUN, "-o", closed / "a.h5", preexec_fn=_as_anyone if os.geteuid() == 0 else None)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "cannot write" in done.stderr
    assert "closed" in done.stderr
    assert not os.listdir(closed)


def _as_anyone():
    drop, override = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE: what is executed next is held to permissions
    if ctypes.CDLL(None, use_errno=True).prctl(drop, override, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the right to write everywhere cannot be given up")


def test_files_that_are_not_studies_are_refused(capsys, tmp_path):
    import h5py

    (tmp_path / "a.h5").write_text("not one")
    refused(capsys, ["show", "a.h5"], "a.h5")
    refused(capsys, ["show", "absent.h5"], "absent.h5")
    refused(capsys, ["merge", "a.h5", "-o", "b.h5"], "a.h5")
    refused(capsys, [*RUN, "-o", "a.h5", "--resume"], "a.h5")
    with h5py.File("b.h5", "w") as file:
        file["x"] = 1
    refused(capsys, ["show", "b.h5"], "no mcflow study")
    refused(capsys, ["show", "--check", "b.h5"], "b.h5")


def test_memory_limits_are_respected(monkeypatch):
    from mcflow import machine

    monkeypatch.setattr(resource, "getrlimit", lambda which: (1 << 20, 1 << 20))
    assert machine.available_memory() == 0


def test_a_file_in_the_place_of_the_parts_is_refused_by_name(capsys):
    open("a.h5.parts", "w").close()
    refused(capsys, [*RUN, "-o", "a.h5"], "a.h5.parts is a file")


@pytest.mark.parametrize("verb", [["run", "-o", "a.h5"], ["bench"]])
def test_a_numba_that_does_not_compile_is_refused(mcflow_command, tmp_path, verb):
    done = mcflow_command(*verb, environment={"NUMBA_DISABLE_JIT": "1"})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "NUMBA_DISABLE_JIT is set" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_doctor_says_that_numba_does_not_compile(mcflow_command):
    done = mcflow_command("doctor", environment={"NUMBA_DISABLE_JIT": "1"})
    assert done.returncode == 0, done.stderr
    assert "NUMBA_DISABLE_JIT is set" in done.stdout
