"""Files of machine code: whole or not read, of nobody else, and no reason to fail."""

import errno
import multiprocessing
import os
import time
from pathlib import Path

import pytest
from mcflow.kernels.cuda import kernel_files

KEY = {"reads": "a", "device": [9, 0]}
SAID = {"entry": "walk", "capability": [9, 0, "a"]}
CODE = bytes(range(256)) * 40 + b"\n\n"


@pytest.fixture
def kept(tmp_path):
    assert kernel_files.write(tmp_path / "cuda", KEY, SAID, CODE)
    return tmp_path / "cuda"


def test_what_is_written_is_read(kept):
    assert kernel_files.read(kept, KEY) == (SAID, CODE)
    assert kernel_files.read(kept, {**KEY, "reads": "b"}) is None
    assert kernel_files.read(kept / "elsewhere", KEY) is None
    number, size = kernel_files.kept(kept)
    assert number == 1
    assert size > len(CODE)
    assert kernel_files.kept(kept / "elsewhere") == (0, 0)


def test_a_damaged_file_is_not_read(kept):
    path = kernel_files.path_for(kept, KEY)
    whole = path.read_bytes()
    lengths = [0, 1, 40, 43, 44, 50, 108, 109, 150, 300, len(whole) // 2, len(whole) - 1]
    for length in lengths:
        path.write_bytes(whole[:length])
        assert kernel_files.read(kept, KEY) is None, length
    for place in (0, 50, 120, 200, 5000, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert kernel_files.read(kept, KEY) is None, place
    path.write_bytes(whole + b"\n")
    assert kernel_files.read(kept, KEY) is None
    assert kernel_files.write(kept, KEY, SAID, CODE)
    assert kernel_files.read(kept, KEY) == (SAID, CODE)


def test_a_file_of_another_key_is_not_read(kept):
    other = {**KEY, "reads": "b"}
    os.replace(kernel_files.path_for(kept, KEY), kernel_files.path_for(kept, other))
    assert kernel_files.read(kept, other) is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owners here")
def test_what_others_could_have_written_is_not_read(kept, monkeypatch):
    path = kernel_files.path_for(kept, KEY)
    assert path.stat().st_mode & 0o777 == 0o600
    for mode in (0o620, 0o602, 0o666):
        path.chmod(mode)
        assert kernel_files.read(kept, KEY) is None
    path.chmod(0o644)
    assert kernel_files.read(kept, KEY) == (SAID, CODE)
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert (kernel_files.read(kept, KEY) is None) == (owner != 0)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the administrator gives files away")
def test_a_file_of_another_user_is_not_read(kept):
    os.chown(kernel_files.path_for(kept, KEY), 12345, -1)
    assert kernel_files.read(kept, KEY) is None


def full(*_, **__):
    raise OSError(errno.ENOSPC, "no space left on device")


@pytest.mark.parametrize("step", ["mkstemp", "replace", "open"])
def test_a_full_disk_keeps_what_was_there_and_leaves_nothing(kept, monkeypatch, step):
    place = {"mkstemp": kernel_files.tempfile, "replace": kernel_files.os, "open": kernel_files}[step]
    with monkeypatch.context() as broken:
        broken.setattr(place, step, full, raising=False)
        assert not kernel_files.write(kept, KEY, SAID, b"another")
    assert [path.suffix for path in kept.iterdir()] == [".kernel"]
    assert kernel_files.read(kept, KEY) == (SAID, CODE)


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path):
    (tmp_path / "file").touch()
    assert not kernel_files.write(tmp_path / "file" / "cuda", KEY, SAID, CODE)
    assert kernel_files.read(tmp_path / "file" / "cuda", KEY) is None
    kernel_files.forget(tmp_path / "file" / "cuda", KEY)


def test_what_a_killed_process_left_is_thrown_away_after_an_hour(kept):
    old, young = (kept / f".unfinished-{name}" for name in ("old", "young"))
    for path, age in ((old, 2 * 3600), (young, 10)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    assert kernel_files.write(kept, {**KEY, "reads": "b"}, SAID, CODE)
    assert not old.exists()
    assert young.exists()
    assert kernel_files.kept(kept)[0] == 2


def write_for_ever(folder, number):
    while True:
        kernel_files.write(Path(folder), KEY, {**SAID, "number": number}, bytes([number]) * 200_000)


def test_two_writers_that_are_killed_leave_a_whole_file_to_every_reader(tmp_path):
    """Each of eight rounds reads while two processes write one file, and kills them at any step."""
    spawn = multiprocessing.get_context("spawn")
    for _ in range(8):
        writers = [spawn.Process(target=write_for_ever, args=(str(tmp_path), number)) for number in (1, 2)]
        for writer in writers:
            writer.start()
        begin, reads = time.monotonic(), 0
        while reads < 20 and time.monotonic() < begin + 20:
            found = kernel_files.read(tmp_path, KEY)
            if found is not None:
                assert found[1] == bytes([found[0]["number"]]) * 200_000
                reads += 1
        for writer in writers:
            writer.kill()
            writer.join()
        assert reads == 20
        found = kernel_files.read(tmp_path, KEY)
        assert found is not None
        assert found[1] == bytes([found[0]["number"]]) * 200_000
