"""mcflow show --check: whichever byte of a file is flipped, it is found, and the command survives it."""

import random

import pytest
from conftest import datasets

from mcflow import InputError
from mcflow.files import integrity

STUDY = ("run", "--scheme", "kaiming_normal", "--activation", "relu", "--depth", "3", "--width", "8", "--quiet")


@pytest.fixture
def made(mcflow_command, tmp_path):
    assert mcflow_command(*STUDY, "--networks", 200, "-o", "a.h5", part=16, stand_in=True).returncode == 0
    return tmp_path / "a.h5"


def test_a_whole_file_is_said_to_be_whole(made, mcflow_command):
    done = mcflow_command("show", "--check", made)
    assert done.returncode == 0, done.stderr
    assert f"{len(datasets(made))} datasets read" in done.stdout


def test_a_flipped_byte_of_a_dataset_is_named(made, mcflow_command):
    import h5py

    with h5py.File(made) as file:
        data = file["kaiming_normal-relu/activation_second_moment"]
        place = data.id.get_chunk_info(0).byte_offset + 100
    content = bytearray(made.read_bytes())
    content[place] ^= 0x10
    made.write_bytes(content)
    done = mcflow_command("show", "--check", made)
    assert done.returncode == 2
    assert "kaiming_normal-relu/activation_second_moment" in done.stderr
    assert done.stderr.count("\n") == 1


def test_every_flipped_byte_is_found(made):
    whole = made.read_bytes()
    chance = random.Random(3)
    flips, found = 40, 0
    for _ in range(flips):
        content = bytearray(whole)
        content[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        made.write_bytes(content)
        with pytest.raises(InputError) as caught:
            integrity.check(made)
        assert "\n" not in str(caught.value)
        found += 1
    print(f"{flips} bytes flipped, {found} found")
    made.write_bytes(whole)
    assert "is whole" in integrity.check(made)


def test_every_cut_is_found(made):
    whole = made.read_bytes()
    for length in (0, 8, 100, 5000, len(whole) // 2, len(whole) - 90, len(whole) - 1):
        made.write_bytes(whole[:length])
        with pytest.raises(InputError):
            integrity.check(made)


def test_a_damaged_part_is_computed_again_and_said(mcflow_command, tmp_path):
    import shutil
    import signal
    import subprocess
    import time

    from conftest import assert_same_bits, command_line

    arguments = (*STUDY, "--networks", 3000)
    process = subprocess.Popen(command_line(*arguments, "-o", "a.h5", part=16, stand_in=True), cwd=tmp_path)
    parts = tmp_path / "a.h5.parts"
    while len(list(parts.glob("case*"))) < 5:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    victim = sorted(parts.glob("case*"))[2]
    content = bytearray(victim.read_bytes())
    content[-2000] ^= 4
    victim.write_bytes(content)
    check = mcflow_command("show", "--check", "a.h5")
    assert check.returncode == 2
    assert victim.name in check.stderr
    loud = [word for word in arguments if word != "--quiet"]
    resumed = mcflow_command(*loud, "-o", "a.h5", "--resume", part=16, stand_in=True)
    assert resumed.returncode == 0, resumed.stderr
    assert f"{victim.name} is damaged; it is computed again" in resumed.stderr
    mcflow_command(*arguments, "-o", "b.h5", part=16, stand_in=True)
    assert_same_bits(tmp_path / "a.h5", tmp_path / "b.h5")
    shutil.rmtree(parts, ignore_errors=True)
