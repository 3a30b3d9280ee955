"""A full disk, a limit on file sizes, a folder that vanishes: exit 3, one line, and whole parts that --resume uses."""

import resource
import shutil
import subprocess
import time

import pytest
from conftest import assert_same_bits, command_line

STUDY = ("run", "--scheme", "kaiming_normal", "--activation", "relu", "--activation", "tanh")
STUDY = (*STUDY, "--depth", "20", "--width", "8", "--quiet", "--networks", "1600")
AT_THE_END = ("--until-error", 1e-6)  # rows are then put into the file at the end, and no draft is open before


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 20 MB, or a skip where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs may be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path):
    """Write until there is no room."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def one_line(text):
    assert text.startswith("mcflow: ")
    assert text.count("\n") == 1
    return text


def test_a_disk_that_fills_costs_nothing_that_was_written(small_disk, tmp_path, mcflow_command):
    path = small_disk / "a.h5"
    process = subprocess.Popen(
        command_line(*STUDY, "-o", path, part=32, stand_in=True), stderr=subprocess.PIPE, text=True
    )
    parts = small_disk / "a.h5.parts"
    while len(list(parts.glob("case*"))) < 10:
        assert process.poll() is None
        time.sleep(0.005)
    fill(small_disk / "filler")
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 3
    assert "No space left" in one_line(stderr)
    assert "--resume" in stderr
    assert not [item for item in small_disk.rglob("*") if item.name.endswith(".tmp")]
    check = mcflow_command("show", "--check", path)
    assert check.returncode == 0, check.stderr
    assert "are whole" in check.stdout
    (small_disk / "filler").unlink()
    resumed = mcflow_command(*STUDY, "-o", path, "--resume", part=32, stand_in=True)
    assert resumed.returncode == 0, resumed.stderr
    mcflow_command(*STUDY, "-o", "b.h5", part=32, stand_in=True)
    assert_same_bits(path, tmp_path / "b.h5")


def test_a_draft_gives_its_room_to_parts(small_disk):
    path = small_disk / "a.h5"
    process = subprocess.Popen(
        command_line(*STUDY, "-o", path, part=32, stand_in=True), stderr=subprocess.PIPE, text=True
    )
    parts = small_disk / "a.h5.parts"
    while len(list(parts.glob("case*"))) < 30:
        assert process.poll() is None
        time.sleep(0.005)
    assert list(parts.glob("assembly*.tmp"))
    fill(small_disk / "filler")
    there = len(list(parts.glob("case*")))
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 3
    assert "No space left" in one_line(stderr)
    assert len(list(parts.glob("case*"))) >= there + 10
    assert not list(parts.glob("*.tmp"))


def test_a_disk_that_is_full_at_the_end_keeps_every_part(small_disk, tmp_path, mcflow_command):
    path = small_disk / "a.h5"
    process = subprocess.Popen(
        command_line(*STUDY, *AT_THE_END, "-o", path, part=32, stand_in=True), stderr=subprocess.PIPE, text=True
    )
    parts = small_disk / "a.h5.parts"
    while len(list(parts.glob("case*"))) < 98:  # of 100
        assert process.poll() is None
        time.sleep(0.001)
    room = shutil.disk_usage(small_disk).free
    with open(small_disk / "filler", "wb") as file:
        file.write(bytes(room - 600_000))
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 3, stderr
    assert "No space left" in one_line(stderr)
    assert len(list(parts.glob("case*"))) >= 98
    assert not path.exists()
    assert not list(parts.glob("*.tmp"))
    (small_disk / "filler").unlink()
    resumed = mcflow_command(*STUDY, "-o", path, "--resume", part=32, stand_in=True)
    assert resumed.returncode == 0, resumed.stderr
    mcflow_command(*STUDY, "-o", "b.h5", part=32, stand_in=True)
    assert_same_bits(path, tmp_path / "b.h5")


def test_a_limit_on_file_sizes_is_met_in_the_assembly(tmp_path, mcflow_command):
    limit = 1 << 20  # parts are smaller, the file is larger
    done = mcflow_command(
        *STUDY,
        "-o",
        "a.h5",
        part=32,
        stand_in=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 3, done.stderr
    assert "File too large" in one_line(done.stderr)
    assert not (tmp_path / "a.h5").exists()
    assert not list((tmp_path / "a.h5.parts").glob("*.tmp"))
    resumed = mcflow_command(*STUDY, "-o", "a.h5", "--resume", part=32, stand_in=True)
    assert resumed.returncode == 0, resumed.stderr
    mcflow_command(*STUDY, "-o", "b.h5", part=32, stand_in=True)
    assert_same_bits(tmp_path / "a.h5", tmp_path / "b.h5")


def test_a_vanished_folder_is_one_line(tmp_path):
    path = tmp_path / "gone" / "a.h5"
    process = subprocess.Popen(
        command_line(*STUDY, "-o", path, part=32, stand_in=True), stderr=subprocess.PIPE, text=True
    )
    while not list((tmp_path / "gone" / "a.h5.parts").glob("case*")):
        assert process.poll() is None
        time.sleep(0.005)
    (tmp_path / "gone").rename(tmp_path / "elsewhere")
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 3, stderr
    assert "No such file" in one_line(stderr)


def test_a_read_only_folder_is_refused_at_the_start(small_disk, mcflow_command):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = mcflow_command(*STUDY, "-o", small_disk / "a.h5", part=32, stand_in=True)
    assert done.returncode == 2
    assert "Read-only" in one_line(done.stderr)


def test_a_disk_that_becomes_read_only_is_one_line(small_disk):
    path = small_disk / "a.h5"
    process = subprocess.Popen(
        command_line(*STUDY, *AT_THE_END, "-o", path, part=32, stand_in=True), stderr=subprocess.PIPE, text=True
    )
    while not list((small_disk / "a.h5.parts").glob("case*")):
        assert process.poll() is None
        time.sleep(0.005)
    while subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], capture_output=True).returncode:
        assert process.poll() is None  # busy while a file is open for writing, as the draft of rows would be
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 3, stderr
    assert "Read-only" in one_line(stderr)
