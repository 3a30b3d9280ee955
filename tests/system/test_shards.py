"""Shards: merged, they are bit for bit the file of one run; what does not belong together is refused."""

import resource
from functools import partial

import pytest
from conftest import assert_same_bits

import mcflow
from mcflow import InputError, plots
from mcflow.cli import call

STUDY = ("run", "--scheme", "kaiming_normal", "--activation", "relu", "--activation", "tanh")
STUDY = (*STUDY, "--depth", "3", "--width", "8", "--quiet", "--networks", "200")
LARGEST_PART = 1 << 17  # bytes
PART = {"part": 16, "stand_in": True}


@pytest.fixture
def shards(mcflow_command):
    """Three shards of a study, in the folder shards."""
    for number in range(3):
        environment = {
            "SLURM_ARRAY_TASK_ID": str(number + 1),
            "SLURM_ARRAY_TASK_COUNT": "3",
            "SLURM_ARRAY_TASK_MIN": "1",
        }
        done = mcflow_command(*STUDY, "--shard", "auto", "-o", "shards/", environment=environment, **PART)
        assert done.returncode == 0, done.stderr
    return "shards"


@pytest.mark.parametrize("keep", ["networks", "summary"])
def test_merged_shards_equal_one_run(mcflow_command, tmp_path, keep):
    whole = mcflow_command(*STUDY, "--keep", keep, "-o", "whole.h5", **PART)
    assert whole.returncode == 0
    for number in range(3):
        done = mcflow_command(*STUDY, "--keep", keep, "--shard", f"{number}/3", "-o", f"s{number}.h5", **PART)
        assert done.returncode == 0, done.stderr
    merged = mcflow_command("merge", "s2.h5", "s0.h5", "s1.h5", "s1.h5", "-o", "merged.h5")
    assert merged.returncode == 0, merged.stderr
    assert_same_bits(tmp_path / "whole.h5", tmp_path / "merged.h5")
    again = mcflow_command("merge", "s2.h5", "s0.h5", "s1.h5", "-o", "merged.h5")
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    assert sorted(item.name for item in tmp_path.iterdir()) == ["merged.h5", "s0.h5", "s1.h5", "s2.h5", "whole.h5"]


def test_a_merged_file_can_be_resumed_to_more_networks(mcflow_command, tmp_path, shards):
    assert mcflow_command("merge", shards, "-o", "a.h5").returncode == 0
    more = mcflow_command(*STUDY, "--networks", 300, "--resume", "-o", "a.h5", **PART)
    assert more.returncode == 0, more.stderr
    mcflow_command(*STUDY, "--networks", 300, "-o", "b.h5", **PART)
    assert_same_bits(tmp_path / "a.h5", tmp_path / "b.h5")


def test_missing_shards_are_named_and_partial_merges_what_is_there(mcflow_command, tmp_path, shards):
    import h5py

    middle = next(path for path in (tmp_path / shards).iterdir() if "00001-of" in path.name)
    middle.rename(tmp_path / "aside.h5")
    merged = mcflow_command("merge", shards, "-o", "a.h5")
    assert merged.returncode == 3
    assert "missing shards: 1/3" in merged.stderr
    assert not (tmp_path / "a.h5").exists()
    partial = mcflow_command("merge", shards, "-o", "a.h5", "--partial")
    assert partial.returncode == 0, partial.stderr
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["state"] == "running"
        network = file["kaiming_normal-relu/network"][()]
        assert 0 < len(network) < 200
        assert len(network) == file["kaiming_normal-relu"].attrs["networks_done"]
    (tmp_path / "c.h5").write_bytes((tmp_path / "a.h5").read_bytes())
    (tmp_path / "aside.h5").rename(middle)
    assert mcflow_command("merge", shards, "-o", "a.h5").returncode == 0  # a partial one is completed
    mcflow_command(*STUDY, "-o", "b.h5", **PART)
    assert_same_bits(tmp_path / "a.h5", tmp_path / "b.h5")
    resumed = mcflow_command(*STUDY, "-o", "c.h5", "--resume", **PART)  # a run fills the gaps as well
    assert resumed.returncode == 0, resumed.stderr
    assert_same_bits(tmp_path / "c.h5", tmp_path / "b.h5")


def test_a_case_without_a_network_is_named_wherever_it_is_asked_for(tmp_path, monkeypatch, capsys):
    """One shard of two, each of which has one case: the other case is drawn and ranked, with a word on what lacks."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    monkeypatch.chdir(tmp_path)
    small = ["run", "--scheme", "kaiming_normal", "--depth", "4", "--width", "8", "--networks", "50", "--quiet"]
    both = [*small, "--activation", "relu", "--activation", "tanh"]
    assert call([*both, "--shard", "0/2", "-o", "both/0.h5"]) == call(["merge", "both", "-o", "a.h5", "--partial"]) == 0
    one = [*small, "--activation", "tanh"]
    assert call([*one, "--shard", "1/2", "-o", "one/1.h5"]) == call(["merge", "one", "-o", "b.h5", "--partial"]) == 0
    capsys.readouterr()
    words = "{} no network yet; merge the shards that are missing, or continue the run ({})"
    with mcflow.open("a.h5") as some:
        lacking = words.format("kaiming_normal-tanh has", "resume=True")
        assert mcflow.compare(some).notes == [f"left out: {lacking}"]
        assert list(mcflow.compare(some).rankings) == ["relu"]
        assert [axes.get_title() for axes in mcflow.plot(some, "flow").axes][:1] == ["relu"]
        for asked in (
            lambda: mcflow.verify(some),
            lambda: mcflow.plot(some, "zscores"),
            lambda: mcflow.plot(some, "flow", cases="kaiming_normal-tanh"),
        ):
            with pytest.raises(InputError) as refused:
                asked()
            assert str(refused.value) == lacking
    assert call(["plot", "a.h5", "-o", "pictures"]) == 0
    said = capsys.readouterr().err
    assert f"left out: {words.format('kaiming_normal-tanh has', '--resume')}" in said
    with mcflow.open("b.h5") as none:
        assert none.names == ["kaiming_normal-tanh"]
        for asked in (mcflow.verify, mcflow.compare, *(partial(mcflow.plot, figure=name) for name in plots.FIGURES)):
            with pytest.raises(InputError) as refused:
                asked(none)
            assert str(refused.value) == lacking


def test_what_does_not_belong_together_is_refused(mcflow_command, tmp_path, shards):
    other = mcflow_command(*STUDY, "--seed", 5, "--shard", "0/2", "-o", "other.h5", **PART)
    assert other.returncode == 0, other.stderr
    refused = mcflow_command("merge", shards, "other.h5", "-o", "a.h5")
    assert refused.returncode == 2
    assert "seed is" in refused.stderr
    mcflow_command(*STUDY, "--shard", "0/2", "-o", "half.h5", **PART)
    overlap = mcflow_command("merge", shards, "half.h5", "-o", "a.h5")
    assert overlap.returncode == 2
    assert "both hold networks 0 to 15 of case 0" in overlap.stderr
    assert not (tmp_path / "a.h5").exists()


def test_a_damaged_shard_is_refused_before_hdf5_reads_it(mcflow_command, tmp_path, shards):
    path = sorted((tmp_path / shards).iterdir())[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused = mcflow_command("merge", shards, "-o", "a.h5")
    assert refused.returncode == 2
    assert f"{path.name} is damaged" in refused.stderr


def test_a_shard_that_is_there_is_not_made_again(mcflow_command, shards):
    name = "shards/2-cases.shard-00000-of-00003.h5"
    assert mcflow_command(*STUDY, "--shard", "0/3", "-o", name, **PART).returncode == 2
    done = mcflow_command(*STUDY, "--shard", "0/3", "-o", name, "--resume", **PART)
    assert done.returncode == 0, done.stderr
    other = mcflow_command(*STUDY, "--shard", "1/3", "-o", name, "--resume", **PART)
    assert other.returncode == 2
    assert "shard is 0/3 there and 1/3 here" in other.stderr


@pytest.mark.parametrize(("keep", "begun"), [("networks", None), ("summary", "1/3")])
def test_a_shard_is_refused_in_the_folder_of_another_run_which_loses_nothing(mcflow_command, tmp_path, keep, begun):
    """It would take that run's parts for its own, so that no merge could join it, and clear them away."""
    study, name = (*STUDY, "--keep", keep), "a.h5"
    other = () if begun is None else ("--shard", begun)
    no_room = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (LARGEST_PART, LARGEST_PART))
    stopped = mcflow_command(*study, *other, "-o", name, **PART, preexec_fn=no_room)  # for the file of all of them
    assert stopped.returncode == 3, stopped.stderr
    before = {path.name: path.read_bytes() for path in (tmp_path / "a.h5.parts").glob("case*")}
    assert before
    refused = mcflow_command(*study, "--shard", "0/3", "-o", name, "--resume", **PART)
    assert refused.returncode == 2, refused.stderr
    assert "which are not shard 0/3's but of another run" in refused.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "a.h5.parts").glob("case*")} == before
    assert mcflow_command(*study, *other, "-o", name, "--resume", **PART).returncode == 0
