"""kill -9 at random moments: what was announced stays, and the resumed file is that of an uninterrupted run."""

import random
import subprocess
import time
import zlib

import pytest
from conftest import assert_same_bits, command_line

from mcflow.files.part_folder import PartName

STUDY = ("run", "--scheme", "kaiming_normal", "--activation", "relu", "--activation", "tanh")
STUDY = (*STUDY, "--depth", "4", "--width", "16", "--batch", "2", "--quiet")


def survive(folder, kills, networks, keep, stand_in, seed, part=16):
    """Kill a run ``kills`` times, then let it end; returns the path of its file and the number of parts lost."""
    chance = random.Random(seed)
    path, parts = folder / "killed.h5", folder / "killed.h5.parts"
    arguments = (*STUDY, "--networks", networks, "--keep", keep, "--resume", "-o", path)
    announced, done, lost = set(), 0, 0
    while done < kills:
        process = subprocess.Popen(command_line(*arguments, part=part, stand_in=stand_in), stderr=subprocess.DEVNULL)
        before = len(announced)
        deadline = time.monotonic() + 60  # wait until it works, then kill it at a random moment of its work
        while time.monotonic() < deadline and process.poll() is None and len(names_in(parts)) <= before:
            time.sleep(0.01)
            if chance.random() < 0.02:
                break
        time.sleep(chance.random() * 0.25)
        process.kill()
        assert process.wait() in (-9, 0)
        done += 1
        if path.exists():
            break
        names = names_in(parts)
        for name in names:
            assert zlib.crc32((parts / str(name)).read_bytes()) == name.checksum, name
        lost += sum(not any(holds(other, name) for other in names) for name in announced)
        announced = names
    ended = subprocess.run(command_line(*arguments, part=part, stand_in=stand_in), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return path, done, lost


def holds(other, name):
    return other.case == name.case and other.first <= name.first and name.end <= other.end


def names_in(parts):
    if not parts.is_dir():
        return set()
    return {name for name in map(PartName.parse, (item.name for item in parts.iterdir())) if name is not None}


@pytest.mark.parametrize("keep", ["networks", "summary"])
def test_a_run_killed_again_and_again_loses_nothing(tmp_path, keep):
    part = {"networks": 16, "summary": 48}[keep]  # summaries of small parts take most of the time of a run
    path, kills, lost = survive(tmp_path, 6, 2000, keep, stand_in=True, seed=1, part=part)
    assert kills == 6
    assert lost == 0
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    whole = tmp_path / "whole.h5"
    arguments = (*STUDY, "--networks", 2000, "--keep", keep, "-o", whole)
    subprocess.run(command_line(*arguments, part=part, stand_in=True), check=True, capture_output=True)
    assert_same_bits(path, whole)


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["networks", "summary"])
def test_a_real_run_killed_a_hundred_times_loses_nothing(tmp_path, keep):
    networks = 24_000
    path, kills, lost = survive(tmp_path, 100, networks, keep, stand_in=False, seed=2)
    print(f"keep {keep}: {kills} kills, {lost} parts lost")
    assert kills == 100
    assert lost == 0
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    whole = tmp_path / "whole.h5"
    arguments = (*STUDY, "--networks", networks, "--keep", keep, "-o", whole)
    subprocess.run(command_line(*arguments, part=16), check=True, capture_output=True)
    assert_same_bits(path, whole)
