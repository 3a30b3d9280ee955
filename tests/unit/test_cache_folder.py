"""The folder of compiled kernels: where it is, when it is another, and None where nothing can be written."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from mcflow.kernels import cache_folder


def test_it_stands_where_numbas_caches_are_wanted_else_where_the_users_are(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    there = cache_folder.folder_for("1.0")
    assert there is not None
    assert there.parent == tmp_path / "numba" / "mcflow"
    assert list(there.iterdir()) == []
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder.folder_for("1.0") == tmp_path / "xdg" / "mcflow" / there.name


def test_another_text_of_any_kernel_or_another_compiler_has_another_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    kernels = shutil.copytree(Path(cache_folder.__file__).parent, tmp_path / "kernels")
    monkeypatch.setattr(cache_folder, "__file__", str(kernels / "cache_folder.py"))
    names = {cache_folder.folder_for("1.0"), cache_folder.folder_for("1.1")}
    for count, name in enumerate(("body/rng.py", "cpu/fill.py", "cuda/build.py", "recorded.py"), start=3):
        path = kernels / name
        path.write_text(path.read_text() + "\n")
        names.add(cache_folder.folder_for("1.0"))
        assert len(names) == count
    (kernels / "body" / "rng.pyc").touch()
    assert cache_folder.folder_for("1.0") in names


def no_home():
    raise RuntimeError("could not determine home directory")


def test_where_nothing_can_be_written_there_is_none(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert cache_folder.folder_for("1.0") is None
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert cache_folder.folder_for("1.0") is None


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="the administrator writes everywhere")
@pytest.mark.parametrize("mode", [0o500, 0o300, 0o000])
def test_a_folder_that_cannot_be_written_or_not_be_read_is_none(mode, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    there = cache_folder.folder_for("1.0")
    there.chmod(mode)
    assert cache_folder.folder_for("1.0") is None
    there.chmod(0o700)
    assert cache_folder.folder_for("1.0") == there


def test_a_folder_with_a_file_that_cannot_be_read_is_none(tmp_path, monkeypatch):
    """One that another user, or an administrator, has filled."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    there = cache_folder.folder_for("1.0")
    (there / "kernel.nbi").touch()
    assert cache_folder.folder_for("1.0") == there
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "kernel.nbi")
    assert cache_folder.folder_for("1.0") is None


@pytest.mark.parametrize("step", ["mkdir", "touch", "iterdir"])
def test_whatever_the_system_refuses_there_is_none_and_no_error(step, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert cache_folder.folder_for("1.0") is not None
    monkeypatch.setattr(Path, step, refuse)
    assert cache_folder.folder_for("1.0") is None


def test_threads_that_decorate_at_once_keep_their_code_in_one_folder(monkeypatch):
    """Numba reads where its cache is twice; a thread that is done must not put the setting back in between."""
    import threading
    import time

    import numba
    from mcflow.kernels.cpu import _compile
    from numba.core.caching import UserProvidedCacheLocator

    asked = threading.Event()
    subpath = UserProvidedCacheLocator.get_suitable_cache_subpath.__func__

    def slowly(cls, file):
        asked.set()
        time.sleep(0.3)
        return subpath(cls, file)

    def other():
        with _compile._cached():
            asked.wait(2.0)

    monkeypatch.setattr(UserProvidedCacheLocator, "get_suitable_cache_subpath", classmethod(slowly))
    before = numba.config.CACHE_DIR
    thread = threading.Thread(target=other)
    thread.start()
    time.sleep(0.05)
    decorated = _compile.kernel()(_double)
    place = decorated._cache.cache_path
    thread.join()
    assert place.startswith(str(_compile.CACHE_FOLDER))
    assert before == numba.config.CACHE_DIR


def _double(x):
    return x + x
