"""Atomic writes, reserved space, locks."""

import hashlib
import os
import subprocess
import sys

import pytest

from mcflow import InputError
from mcflow.files import atomic, lock


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a"
    atomic.write_atomically(path, b"old")
    write, calls = os.write, []

    def full(descriptor, data):
        calls.append(len(data))
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        return write(descriptor, bytes(data[:2]))  # short writes before the disk is full

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        atomic.write_atomically(path, b"a new content")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_short_writes_are_completed(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:3])))
    atomic.write_atomically(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


LIMITED = """
import resource, sys, h5py, numpy as np
from pathlib import Path
from mcflow.files.atomic import ReservedFile
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
with ReservedFile(Path(sys.argv[1])) as target:
    with h5py.File(target, "w") as file:
        for i in range(40):
            file.create_dataset(str(i), data=np.ones((64, 128)), chunks=(16, 128), fletcher32=True)
    print("failure", type(target.failure).__name__)
    try:
        target.sync()
    except OSError as error:
        print("raised", error.errno)
"""


def test_h5py_in_a_reserved_file_survives_a_limit_and_says_so(tmp_path):
    code = [sys.executable, "-c", LIMITED, str(tmp_path / "a.h5")]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["failure", "OSError", "raised", "27"]
    assert done.stderr == ""


def test_trailer_is_read_back_and_hdf5_ignores_it(tmp_path):
    import h5py

    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]
    assert atomic.read_trailer(path) is None
    stated = atomic.digest(path)
    atomic.seal_and_replace(path, path, stated)
    assert atomic.read_trailer(path) == stated
    end = path.stat().st_size - atomic.TRAILER_SIZE
    assert atomic.digest(path, end) == stated
    with open(path, "r+b") as file:  # as files of format 1.2 and before say it
        earlier = f"sha256 {hashlib.sha256(file.read(end)).hexdigest()}"
        file.write(atomic.trailer(earlier))
    assert atomic.read_trailer(path) == atomic.digest(path, end, like=earlier) == earlier
    with h5py.File(path) as file:
        assert file["x"][1] == 2


@pytest.mark.parametrize("size", [0, 1, 1 << 22, (1 << 22) + 1, 11_000_000])
def test_the_digest_is_that_of_the_blocks_and_sees_each_of_them(tmp_path, size):
    path = tmp_path / "a"
    data = bytearray(os.urandom(size))
    path.write_bytes(data)

    def blake2(some):
        return hashlib.blake2b(some, digest_size=32)

    blocks = b"".join(blake2(data[start : start + (1 << 22)]).digest() for start in range(0, size, 1 << 22))
    stated = atomic.digest(path)
    assert stated == f"blocks {blake2(blocks).hexdigest()}"
    assert atomic.digest(path, like="blake2 ") == f"blake2 {blake2(data).hexdigest()}"
    for place in {0, size // 2, size - 1} if size else ():
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert atomic.digest(path) != stated


def test_a_living_writer_is_not_robbed(tmp_path):
    with lock.hold(tmp_path), pytest.raises(InputError, match=f"process {os.getpid()}"), lock.hold(tmp_path):
        pass
    assert not os.listdir(tmp_path)


def test_a_dead_writers_lock_is_taken_over_and_said(tmp_path):
    code = f"""
import os
from pathlib import Path
from mcflow.files import lock
with lock.hold(Path({str(tmp_path)!r})):
    os.kill(os.getpid(), 9)
"""
    dead = subprocess.run([sys.executable, "-c", code], check=False)
    assert dead.returncode == -9
    assert lock.holder(tmp_path) is None
    said = []
    with lock.hold(tmp_path, said.append):
        assert lock.holder(tmp_path) is not None
    assert len(said) == 1
    assert "dead" in said[0]
    assert not os.listdir(tmp_path)


def test_another_hosts_lock_is_respected(tmp_path):
    (tmp_path / lock.NAME).write_text('{"host": "elsewhere", "pid": 1, "start": null}')
    with pytest.raises(InputError, match="elsewhere"), lock.hold(tmp_path):
        pass


def test_a_damaged_lock_is_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_PATIENCE", 0.2)
    (tmp_path / lock.NAME).write_text("")
    said = []
    with lock.hold(tmp_path, said.append):
        pass
    assert said
