"""Opening a study: nothing is asked of a child process, or loaded, that a whole file does not need."""

import io
import os
import shutil
import subprocess
import sys

import h5py
import pytest

import mcflow
from mcflow import Case, InputError, Study
from mcflow.cli import progress_line
from mcflow.files import atomic, integrity
from mcflow.files.attributes import attributes
from mcflow.files.reading import open_study

CASES = [Case("lecun_normal", "tanh", depth=2, width=4), Case("kaiming_normal", "relu", depth=2, width=4)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("opening") / "a.h5"
    mcflow.run(Study(CASES, networks=8), path, threads=1).close()
    return path


@pytest.fixture
def path(made, tmp_path):
    return shutil.copy(made, tmp_path / "a.h5")


def changed(path, **root):
    """The file with other attributes of its root, and the digest of what it is now."""
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - atomic.TRAILER_SIZE)
    with h5py.File(path, "r+", locking=False) as file:
        file.attrs.update(root)
    with open(path, "ab") as file:
        file.write(atomic.trailer(atomic.digest(path)))


@pytest.mark.parametrize("opened", [mcflow.open, lambda path: open_study(path).result])
def test_a_file_with_the_bytes_that_were_written_needs_no_child(path, monkeypatch, opened):
    monkeypatch.setattr(integrity.child_process, "run", lambda *_: pytest.fail("a child was started"))
    with opened(path) as result:
        assert len(result.names) == 2


@pytest.mark.parametrize("opened", [mcflow.open, lambda path: open_study(path).result])
def test_a_file_whose_end_says_nothing_is_read_in_a_child_first(path, monkeypatch, opened):
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - atomic.TRAILER_SIZE)
    read, real = [], integrity.child_process.run
    monkeypatch.setattr(integrity.child_process, "run", lambda *given: read.append(given) or real(*given))
    with opened(path) as result:
        assert len(result.names) == 2
    assert len(read) == 1


def test_other_bytes_than_were_written_are_refused(path):
    image = bytearray(path.read_bytes())
    image[len(image) // 2] ^= 1
    path.write_bytes(image)
    with pytest.raises(InputError, match="is damaged: other bytes than were written"):
        mcflow.open(path)


@pytest.mark.parametrize("opened", [mcflow.open, open_study])
@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        ({"format": "mcflow-shard"}, "is one shard of a study; mcflow merge joins"),
        ({"format": "another"}, "it is no mcflow study"),
        ({"format_version": "9.0"}, "its format 9.0 is newer than this mcflow"),
    ],
)
def test_a_whole_file_of_another_kind_is_refused_by_name(path, opened, root, sentence):
    changed(path, **root)
    with pytest.raises(InputError, match=sentence):
        opened(path)


def test_opening_loads_no_arrays_with_names_and_a_run_no_more_of_scipy_than_its_compiler(made, tmp_path):
    code = f"import sys, mcflow; mcflow.open({str(made)!r}); print(*{{'xarray', 'pandas', 'scipy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == []
    code = (
        "import sys; from mcflow.cli import cli; "
        "cli(['run', '--quiet', '--networks', '4', '--depth', '2', '--width', '4', '--scheme', 'lecun_normal', "
        f"'--activation', 'selu', '-o', {str(tmp_path / 'b.h5')!r}], standalone_mode=False); "
        "print('LOADED', *{'xarray', 'pandas', 'scipy.special', 'scipy.stats'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.rpartition("LOADED")[2].split() == []


def test_attributes_are_those_that_h5py_reads():
    with h5py.File(io.BytesIO(), "w") as file:
        stated = {"text": "µ, σ²", "empty": "", "number": 3, "share": 0.5, "flag": True, "list": ["a", "é"]}
        file.attrs.update(stated)
        file.attrs["vector"] = [1.0, 2.0]
        file.create_dataset("x", data=[1.0]).make_scale("x")
        found = attributes(file)
        assert found.pop("vector").tolist() == [1.0, 2.0]
        assert found == stated
        assert {name: type(value) for name, value in found.items()} == {
            name: list if name == "list" else type(file.attrs[name]) for name in stated
        }
        assert attributes(file["x"]) == {}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_one_line_of_a_terminal_and_nothing_elsewhere(monkeypatch):
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress_line.shutil, "get_terminal_size", lambda: os.terminal_size((20, 5)))
        with progress_line.shown() as show:
            show("judging a case with a name of many letters")
            show("drawing flow")
        said = stream.getvalue()
        assert "\n" not in said
        if shown:
            assert "judging a case with" in said
            assert "of many letters" not in said
            assert said.endswith("drawing flow\r\x1b[2K")
        else:
            assert said == ""


def test_datasets_that_are_held_open_keep_no_chunks(made):
    """HDF5 would keep a MB for each: of thirty cases of a large study, most of a GB."""
    with mcflow.open(made) as result:
        variable = result._file[result.names[0]]["activation_second_moment"]
        assert variable.id.get_access_plist().get_chunk_cache()[1] == 0
