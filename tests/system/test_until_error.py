"""--until-error: stops at fixed numbers of networks, says what it reached, and continues where it is asked for less."""

import json

import h5py
from conftest import assert_same_bits

STUDY = ("run", "--scheme", "kaiming_normal", "--activation", "relu", "--depth", "3", "--width", "8", "--quiet")


def networks(path):
    with h5py.File(path) as file:
        return int(file.attrs["networks"]), float(file.attrs["achieved_error"])


def test_it_stops_at_a_look_that_does_not_depend_on_parts_or_threads(mcflow_command, tmp_path):
    for name, part, threads in (("a", 16, 1), ("b", 512, 2)):
        done = mcflow_command(
            *STUDY, "--until-error", 0.07, "--networks", 100_000, "--threads", threads, "-o", f"{name}.h5", part=part
        )
        assert done.returncode == 0, done.stderr
        assert "biased" in done.stdout
    count, achieved = networks(tmp_path / "a.h5")
    assert count in (128, 256, 512, 1024, 2048)
    assert achieved < 0.07
    assert networks(tmp_path / "b.h5")[0] == count
    whole = mcflow_command(*STUDY, "--networks", count, "-o", "c.h5", part=16)
    assert whole.returncode == 0
    assert_same_bits(tmp_path / "a.h5", tmp_path / "c.h5")


def test_a_smaller_error_continues_and_an_unreachable_one_is_said(mcflow_command, tmp_path):
    for keep in ("networks", "summary"):
        first = mcflow_command(
            *STUDY, "--until-error", 0.2, "--networks", 900, "--keep", keep, "-o", f"{keep}.h5", part=16
        )
        assert first.returncode == 0, first.stderr
        count, _ = networks(tmp_path / f"{keep}.h5")
        arguments = ("--until-error", 0.0001, "--networks", 900, "--keep", keep, "-o", f"{keep}.h5", "--resume")
        more = mcflow_command(*STUDY, *arguments, "--json", part=16)
        assert more.returncode == 0, more.stderr
        document = json.loads(more.stdout)
        assert document["until_error"]["reached"] is False
        assert networks(tmp_path / f"{keep}.h5")[0] == 900 > count
