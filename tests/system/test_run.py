"""mcflow run from the outside: the same bits however the work was cut, and one file that says what is in it."""

import json
import math
import shlex
import signal
import subprocess
import time
import warnings

import h5py
import numpy as np
import pytest
from conftest import assert_same_bits, command_line, datasets

import mcflow
from mcflow.answers.signal import CRITERION, HELD, KEPT, verdict
from mcflow.files import schema

STUDY = ("run", "--scheme", "kaiming_normal", "--activation", "relu", "--activation", "tanh")
STUDY = (*STUDY, "--depth", "4", "--width", "24", "--batch", "2", "--quiet")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run of 500 networks in parts of 64."""
    path = tmp_path_factory.mktemp("whole") / "whole.h5"
    done = subprocess.run(
        command_line(*STUDY, "--networks", 500, "-o", path, part=64), capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return path


def test_one_thread_and_two_give_the_same_bits(whole, mcflow_command, tmp_path):
    for threads in (1, 2):
        path = tmp_path / f"{threads}.h5"
        done = mcflow_command(*STUDY, "--networks", 500, "--threads", threads, "-o", path, part=64)
        assert done.returncode == 0, done.stderr
        assert_same_bits(whole, path)


def test_more_networks_by_resume_equal_one_run(whole, mcflow_command, tmp_path):
    path = tmp_path / "a.h5"
    for networks in (100, 128, 500):
        done = mcflow_command(*STUDY, "--networks", networks, "--resume", "-o", path, part=64)
        assert done.returncode == 0, done.stderr
    assert_same_bits(whole, path)
    assert [item.name for item in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_then_resumed_by_the_printed_command_equals_whole_run(number, code, mcflow_command, tmp_path):
    arguments = (*STUDY, "--networks", 1200)
    process = subprocess.Popen(
        command_line(*arguments, "-o", "a.h5", part=16), cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    folder = tmp_path / "a.h5.parts"
    while len(list(folder.glob("case*"))) < 3:  # it has begun
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert not (tmp_path / "a.h5").exists()
    kept = {item.name for item in folder.iterdir()}
    assert "lock" not in kept
    assert not any(name.endswith(".tmp") for name in kept)
    printed = shlex.split(stderr.strip().splitlines()[-1])
    assert printed[0] == "mcflow"
    resumed = mcflow_command(*printed[1:], part=16)
    assert resumed.returncode == 0, resumed.stderr
    direct = mcflow_command(*arguments, "-o", "b.h5", part=16)
    assert direct.returncode == 0, direct.stderr
    assert_same_bits(tmp_path / "a.h5", tmp_path / "b.h5")


def test_summary_keeps_the_same_moments_and_close_quantiles(whole, mcflow_command, tmp_path):
    path = tmp_path / "a.h5"
    for networks in (130, 500):
        done = mcflow_command(*STUDY, "--networks", networks, "--keep", "summary", "--resume", "-o", path, part=16)
        assert done.returncode == 0, done.stderr
    once = tmp_path / "b.h5"
    mcflow_command(*STUDY, "--networks", 500, "--keep", "summary", "-o", once, part=16)
    assert_same_bits(path, once)
    rows, summary = datasets(whole), datasets(path)
    for name in summary:
        if "/summary/" in name and name.endswith(("q05", "q50", "q95")):
            np.testing.assert_allclose(summary[name], rows[name], rtol=0.011, atol=1e-12, err_msg=name)
        elif "/summary/" in name and "fourth" not in name:
            np.testing.assert_allclose(summary[name], rows[name], rtol=1e-9, atol=1e-13, err_msg=name)
    assert not any(name.endswith("/activation_second_moment") for name in summary)


def test_summary_in_the_same_parts_has_the_same_bits_as_rows_kept(mcflow_command, tmp_path):
    for keep in ("networks", "summary"):
        mcflow_command(*STUDY, "--networks", 700, "--keep", keep, "-o", f"{keep}.h5", part=16)
    rows, summary = datasets(tmp_path / "networks.h5"), datasets(tmp_path / "summary.h5")
    for name in summary:
        if "/summary/" in name and not name.endswith(("q05", "q50", "q95")):
            assert summary[name].tobytes() == rows[name].tobytes(), name


def test_an_existing_file_is_neither_lost_nor_mixed(whole, mcflow_command, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(whole.read_bytes())
    again = mcflow_command(*STUDY, "--networks", 500, "-o", path, part=64)
    assert (again.returncode, "exists" in again.stderr) == (2, True)
    other = mcflow_command(*STUDY, "--networks", 500, "-o", path, "--seed", 7, "--resume", part=64)
    assert other.returncode == 2
    assert "seed is 0 there and 7 here" in other.stderr
    deeper = mcflow_command(*STUDY, "--networks", 500, "-o", path, "--depth", 5, "--resume", part=64)
    assert "depth of case 1 is 4 there and 5 here" in deeper.stderr
    assert path.read_bytes() == whole.read_bytes()
    replaced = mcflow_command(*STUDY, "--networks", 64, "-o", path, "--seed", 7, "--overwrite", part=64)
    assert replaced.returncode == 0, replaced.stderr
    with h5py.File(path) as file:
        assert file.attrs["seed"] == 7


def test_resuming_a_finished_run_does_nothing(whole, mcflow_command, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(whole.read_bytes())
    done = mcflow_command(*STUDY, "--networks", 500, "-o", path, "--resume", part=64)
    assert done.returncode == 0
    assert path.read_bytes() == whole.read_bytes()


def test_the_study_in_a_file_repeats_the_file(whole, mcflow_command, tmp_path):
    with h5py.File(whole) as file:
        (tmp_path / "study.toml").write_text(file.attrs["study"])
    done = mcflow_command("run", "study.toml", "-o", "b.h5", "--quiet", part=64)
    assert done.returncode == 0, done.stderr
    assert_same_bits(whole, tmp_path / "b.h5")


def test_every_dataset_is_in_the_schema_with_scales_units_and_checksum(whole):
    with h5py.File(whole) as file:
        assert file.attrs["state"] == "complete"
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in names:
            group, _, leaf = name.rpartition("/")
            case, _, inner = group.partition("/")
            entry = schema.entry("/".join(filter(None, ["CASE" if case else "", inner])), leaf)
            data = file[name]
            assert data.attrs["units"] == entry.units
            assert data.attrs["long_name"] == entry.long_name
            assert data.fletcher32, name
            if entry.dims != (leaf,):
                assert tuple(axis[0].name.rpartition("/")[2] for axis in data.dims) == entry.dims, name


def test_it_opens_as_a_data_tree_without_a_warning(whole):
    import xarray

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xarray.open_datatree(whole, engine="h5netcdf") as tree:
            case = tree["kaiming_normal-relu"]
            assert dict(case["activation_second_moment"].sizes) == {"network": 500, "layer": 4}
            assert case["layer"].values.tolist() == [1, 2, 3, 4]
            assert case["network"].values[-1] == 499
            counts = case["histogram"]["preactivation"].values
            assert (counts.sum(axis=1) == case.attrs["histogram_networks"] * 24 * 2).all()


def test_json_is_one_document_and_quiet_is_quiet(mcflow_command):
    done = mcflow_command(*STUDY, "--networks", 20, "-o", "a.h5", "--json")
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert [case["case"] for case in document["cases"]] == ["kaiming_normal-relu", "kaiming_normal-tanh"]
    assert document["cases"][0]["layers"][0]["activation_second_moment"]["predicted"] == pytest.approx(1.0)
    assert "kept" in document["cases"][0]["verdict"]


def test_closing_table_has_a_verdict_a_case_and_no_colour_in_a_pipe(mcflow_command):
    done = mcflow_command("run", "--scheme", "xavier_normal", "--activation", "relu", "--networks", 40, "--width", 32)
    assert done.returncode == 0, done.stderr
    assert "xavier_normal-relu  activations vanish (10^-" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert "±" in done.stdout
    assert f"kept: a second moment stays {CRITERION}" in done.stdout
    assert "runs/xavier_normal-relu.h5" in done.stdout


def test_the_help_states_the_criterion_that_the_verdicts_use(mcflow_command):
    said = " ".join(mcflow_command("run", "--help").stdout.split())
    assert CRITERION in said
    assert verdict(0.0, 0.999 * math.log10(KEPT), 30, 29).startswith("kept")
    assert verdict(0.0, -1.001 * math.log10(KEPT), 30, 29).startswith("drift")
    assert verdict(0.0, 0.999 * math.log10(HELD), 30, 29) == "drift (x 10 by layer 30, x 1.08 a layer)"
    assert verdict(0.0, 1.001 * math.log10(HELD), 30, 29).startswith("explode")


def test_a_size_that_is_the_same_for_all_inputs_is_not_all_that_is_said(mcflow_command):
    done = mcflow_command(
        "run", "--scheme", "xavier_normal", "--activation", "sigmoid", "--depth", 5, "--networks", 50, "--width", 64
    )
    assert "activations kept" in done.stdout
    assert "differences between inputs vanish (10^-" in done.stdout
    assert "by theory" in done.stdout
    done = mcflow_command(
        "run", "--scheme", "lecun_normal", "--activation", "tanh", "--bias-std", 1, "--depth", 12, "--networks", 50,
        "--width", 64, "--batch", 2, "--json",
    )  # fmt: skip
    assert "differences between inputs vanish" in json.loads(done.stdout)["cases"][0]["verdict"]
    done = mcflow_command("run", "--scheme", "kaiming_normal", "--activation", "relu", "--depth", 5, "--networks", 50)
    assert "differences" not in done.stdout


def test_case_inputs_of_another_size_stand_in_its_own_group(mcflow_command, tmp_path):
    import xarray

    text = "networks = 20\n[[case]]\nwidth = 8\ndepth = 2\n[[case]]\nwidth = 12\ndepth = 2\nfeatures = 5\nbatch = 3\n"
    (tmp_path / "study.toml").write_text(text)
    done = mcflow_command("run", "study.toml", "-o", "a.h5", "--quiet")
    assert done.returncode == 0, done.stderr
    with xarray.open_datatree(tmp_path / "a.h5", engine="h5netcdf") as tree:
        assert tree["inputs"].shape == (1, 8)
        (other,) = [name for name in tree.children if "width12" in name]
        assert tree[other]["inputs"].shape == (3, 5)
        assert tree[other]["fan_in"].values.tolist() == [5, 12]


@pytest.mark.slow
def test_a_study_whose_text_and_biases_fill_more_than_an_attribute_of_the_oldest_format(tmp_path):
    depth = 9000
    case = mcflow.Case("torch_default", "linear", width=[1, 2] * (depth // 2), features=1)
    study = mcflow.Study([case], networks=2, backward=False, keep="summary")
    path = tmp_path / "deep.h5"
    with mcflow.run(study, path) as result:
        assert result.study == study
        assert len(result["torch_default-identity"].attrs["bias_std"]) == depth
    with mcflow.open(path) as result:
        assert result["torch_default-identity"]["activation_second_moment_mean"].shape == (depth,)


@pytest.mark.slow
def test_a_study_of_more_than_four_thousand_cases(tmp_path):
    cases = [mcflow.Case("lecun_normal", "linear", depth=1, width=1, gain=1 + i / 4096) for i in range(4200)]
    study = mcflow.Study(cases, networks=2, keep="summary")
    path = tmp_path / "many.h5"
    mcflow.run(study, path).close()
    from mcflow.files.target import seal_of_file

    assert mcflow.Study.from_toml(seal_of_file(path).study) == study
