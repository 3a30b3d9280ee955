"""The draft of a file: rows put in any order, a draft that is lost or of no use, and what ends a run beside it."""

import time

import numpy as np
import pytest
from conftest import assert_same_bits

import mcflow
from mcflow import Case, Study, plan
from mcflow.errors import Unfinished
from mcflow.files import assembly, part_image
from mcflow.files.assembly import Streamed, assemble_file
from mcflow.files.header import head_image
from mcflow.files.part_folder import DamagedPart, FolderParts
from mcflow.methods import cost
from mcflow.running import engine
from mcflow.running.interrupts import Interrupts
from mcflow.running.progress import Silent
from mcflow.sampling.part import Part
from mcflow.statistics import magnitudes

LAYERS, NAMES = 3, ("preactivation_second_moment", "activation_mean")
RANGES = ((0, 256), (256, 512), (768, 256), (1024, 300), (1324, 44))  # the last ends with a group that is short
NETWORKS = 1368


@pytest.fixture(scope="module")
def prepared():
    return plan.prepare(Study([Case(depth=LAYERS, width=16)], networks=NETWORKS), "direct")


def images():
    """A part of each range; numbers of the third leave float64."""
    for first, count in RANGES:
        rng = np.random.default_rng(first)
        rows = {name: rng.lognormal(size=(count, LAYERS)) for name in NAMES}
        log2 = {}
        if first == 768:
            rows[NAMES[0]][5] = np.inf
            log2[NAMES[0]] = np.where(np.isinf(rows[NAMES[0]]), 1500.0, magnitudes.log2_of(rows[NAMES[0]]))
        counts = np.full((LAYERS, 66), count)
        yield first, count, part_image.encode(Part(first, count, rows, None, counts, counts, log2), "x")


def made_at_the_end(prepared, folder):
    folder.mkdir()
    parts = FolderParts(folder)
    for first, count, image in images():
        parts.write(0, first, count, image)
    assemble_file(head_image(prepared), parts, folder / "a.h5", folder, {"state": "complete"})
    return folder / "a.h5"


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 2, 0, 3, 1), (2, 3, 4)])
def test_rows_put_as_they_come_make_the_file_of_rows_put_at_the_end(prepared, tmp_path, order):
    whole = made_at_the_end(prepared, tmp_path / "end")
    folder, of = tmp_path / "as-they-come", list(images())
    folder.mkdir()
    parts = FolderParts(folder)
    for number in set(range(len(of))) - set(order):  # of an earlier run
        parts.write(0, of[number][0], of[number][1], of[number][2])
    with Streamed(parts, head_image(prepared), NETWORKS) as streamed:
        for number in order:
            streamed.write(0, of[number][0], of[number][1], of[number][2])
        assert streamed.draft() is not None
        assemble_file(head_image(prepared), streamed, folder / "a.h5", folder, {"state": "complete"})
    assert_same_bits(folder / "a.h5", whole)
    assert not list(folder.glob("*.tmp"))


def test_a_draft_with_other_networks_than_those_of_the_parts_is_not_taken(prepared, tmp_path):
    whole = made_at_the_end(prepared, tmp_path / "end")
    folder = tmp_path / "more"
    folder.mkdir()
    with Streamed(FolderParts(folder), head_image(prepared), 768) as streamed:  # fewer are asked for than are there
        for first, count, image in images():
            FolderParts(folder).write(0, first, count, image) if first else streamed.write(0, first, count, image)
        assemble_file(head_image(prepared), streamed, folder / "a.h5", folder, {"state": "complete"})
        assert streamed.draft() is None
    assert_same_bits(folder / "a.h5", whole)


def test_a_draft_that_fails_is_dropped_and_parts_make_the_file(prepared, tmp_path, monkeypatch):
    whole = made_at_the_end(prepared, tmp_path / "end")
    folder = tmp_path / "full"
    folder.mkdir()
    with Streamed(FolderParts(folder), head_image(prepared), NETWORKS) as streamed:
        for first, count, image in images():
            if first == 768:
                streamed.draft().target.failure = OSError(28, "No space left on device")
            streamed.write(0, first, count, image)
            assert (streamed.draft() is None) == (first >= 768)
        assert not list(folder.glob("*.tmp"))
        assemble_file(head_image(prepared), streamed, folder / "a.h5", folder, {"state": "complete"})
    assert_same_bits(folder / "a.h5", whole)


def test_a_part_that_finds_no_room_is_given_that_of_the_draft(prepared, tmp_path, monkeypatch):
    parts = FolderParts(tmp_path)
    write = parts.write

    def where_there_is_room(*part):
        if list(tmp_path.glob("assembly*")):
            raise OSError(28, "No space left on device")
        return write(*part)

    monkeypatch.setattr(parts, "write", where_there_is_room)
    with Streamed(parts, head_image(prepared), NETWORKS) as streamed:
        for first, count, image in images():
            streamed.write(0, first, count, image)
        assert streamed.draft() is None
    assert len(parts.names()) == len(RANGES)


def test_a_killed_draft_is_removed_when_the_folder_is_next_opened(prepared, tmp_path):
    path = tmp_path / "a.h5"
    folder = tmp_path / "a.h5.parts"
    folder.mkdir()
    left = assembly.DraftFile(head_image(prepared), folder, NETWORKS)  # as kill -9 leaves it
    assert left.temporary.exists()
    mcflow.run(prepared.study, path, method="direct", resume=True).close()
    assert [item.name for item in tmp_path.iterdir()] == ["a.h5"]


@pytest.fixture
def small_parts(monkeypatch):
    for name, value in (("_LARGEST", 16), ("_SMALLEST", 16), ("_GROUP", 16), ("_LEAST_PARTS", 1 << 40)):
        monkeypatch.setattr(cost, name, value)


@pytest.mark.parametrize("folded", [2, 1000])
def test_a_part_that_changes_while_a_run_folds_or_ends_is_named(small_parts, tmp_path, monkeypatch, folded):
    def changed(self, name):
        raise DamagedPart(f"{self.folder / str(name)} is damaged")

    monkeypatch.setattr(engine, "_FOLD", folded)
    study = Study([Case(depth=3, width=16)], networks=160, keep="summary")
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(FolderParts, "read", changed)
        with pytest.raises(Unfinished, match=r"case000-from\d+-n\d+-\w+\.h5 is damaged; the other parts are whole"):
            mcflow.run(study, tmp_path / "a.h5", method="direct")
    mcflow.run(study, tmp_path / "a.h5", method="direct", resume=True).close()


def test_a_part_that_cannot_be_written_ends_the_computing_of_the_next(prepared, tmp_path, monkeypatch):
    class Slow:
        """Computes one part, and then for ten seconds the next."""

        def compute(self, assignments, watch, interrupts):
            yield next(assignments), lambda: b"image"
            for _ in range(1000):
                interrupts.check()
                time.sleep(0.01)
            raise AssertionError("the failed part was not noticed")

    def full(*part):
        raise OSError(28, "No space left on device")

    parts = FolderParts(tmp_path)
    monkeypatch.setattr(parts, "write", full)
    with pytest.raises(OSError, match="No space"):
        engine.compute(prepared, parts, Slow(), Silent(), Interrupts(), None)


def test_a_disk_that_is_full_when_a_draft_is_opened_is_said_so(prepared, tmp_path, monkeypatch):
    """What was not written is not opened: the library would crash on it."""
    from mcflow.files.assembly import DraftFile, Streamed
    from mcflow.files.atomic import ReservedFile

    def full(self, end):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ReservedFile, "_reserve", full)
    with pytest.raises(OSError, match="No space left"):
        DraftFile(head_image(prepared), tmp_path)
    assert list(tmp_path.iterdir()) == []
    parts = FolderParts(tmp_path)
    with Streamed(parts, head_image(prepared), NETWORKS) as streamed:  # which does without
        for first, count, image in images():
            streamed.write(0, first, count, image)
        with pytest.raises(OSError, match="No space left"):
            assemble_file(head_image(prepared), streamed, tmp_path / "a.h5", tmp_path, {"state": "complete"})
    assert len(parts.names()) == len(RANGES)
