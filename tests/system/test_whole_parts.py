"""What is whole is kept: a part is written when it is computed, however the run ends afterwards."""

import time

import pytest

import mcflow
from mcflow.files.part_folder import FolderParts
from mcflow.methods import cost
from mcflow.sampling import sample
from mcflow.sampling.fold import Folding
from mcflow.sampling.rows import Keeping

CASE = mcflow.Case("kaiming_normal", "relu", depth=3, width=8)
PART = 64


@pytest.fixture
def small_parts(monkeypatch):
    for name, value in (("_LARGEST", PART), ("_SMALLEST", PART), ("_GROUP", PART), ("_LEAST_PARTS", 1 << 40)):
        monkeypatch.setattr(cost, name, value)


def parts_in(folder):
    return [(name.first, name.networks) for name in FolderParts(folder).names()]


@pytest.mark.parametrize("keep", ["networks", "summary"])
def test_an_error_in_a_part_leaves_those_before_it(small_parts, monkeypatch, tmp_path, keep):
    kind = Keeping if keep == "networks" else Folding
    add = kind.add

    def fails(self, block):
        if block.first >= 2 * PART:
            raise MemoryError("none left")
        add(self, block)

    monkeypatch.setattr(kind, "add", fails)
    with pytest.raises(MemoryError, match="none left"):
        mcflow.run(mcflow.Study([CASE], 5 * PART, keep=keep), tmp_path / "a.h5", threads=1)
    assert parts_in(tmp_path / "a.h5.parts") == [(0, PART), (PART, PART)]


@pytest.mark.parametrize("keep", ["networks", "summary"])
def test_a_part_is_written_while_the_next_is_computed(small_parts, monkeypatch, tmp_path, keep):
    """Seen at the end of the second part: a kill there costs no more than that one."""
    seen, record = [], sample.record

    def watched(*arguments, **options):
        first, count = arguments[3], arguments[4]
        found = record(*arguments, **options)
        if first + count == 2 * PART:
            for _ in range(100):
                seen.append(parts_in(tmp_path / "a.h5.parts"))
                if seen[-1]:
                    break
                time.sleep(0.05)
        return found

    monkeypatch.setattr(sample, "record", watched)
    mcflow.run(mcflow.Study([CASE], 3 * PART, keep=keep), tmp_path / "a.h5", threads=1).close()
    assert seen[-1] == [(0, PART)]
