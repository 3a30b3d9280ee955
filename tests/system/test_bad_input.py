"""Every mistake is one line on stderr and exit code 2, with nothing written."""

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
        (["--bias-std", "-1"], ["bias_std"]),
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
    refused(capsys, [*RUN, "--inputs", "nan.npy"], "row 1, column 2")
    np.save(tmp_path / "cube.npy", np.ones((2, 2, 2)))
    refused(capsys, [*RUN, "--inputs", "cube.npy"], "shape")
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
    refused(capsys, [*RUN, "--inputs", "cut.h5:x"], "cut.h5")


def test_too_little_memory_or_disk_is_said_before_the_start(capsys):
    refused(capsys, [*RUN, "--width", "3000000", "--batch", "100000"], "memory")
    refused(capsys, [*RUN, "--networks", str(1 << 40)], "disk")


def test_a_missing_output_folder_is_made(capsys, tmp_path):
    assert call([*RUN, "--scheme", "xavier_normal", "--activation", "relu", "-o", "new/folder/a.h5"]) == 0
    assert os.listdir("new/folder") == ["a.h5"]


def test_an_output_that_is_a_folder_or_below_a_file_is_refused(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    refused(capsys, [*RUN, "-o", "file/a.h5"], "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_one_line(capsys, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    refused(capsys, [*RUN, "-o", "closed/a.h5"], "closed")


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
