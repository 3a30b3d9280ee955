"""Parts: their size, their names, and what of a folder counts."""

import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

from mcflow import Case
from mcflow.files import part_image
from mcflow.files.part_folder import DamagedPart, FolderParts, MemoryParts, PartName, usable
from mcflow.methods.cost import part_size
from mcflow.sampling.blocks import Block
from mcflow.sampling.fold import Folding, KeptRows
from mcflow.sampling.part import fold, halves_merged, of_rows


def block(first, count, layers=3):
    rng = np.random.default_rng(first)
    rows = {name: rng.lognormal(size=(count, layers)) for name in ("activation_second_moment", "activation_mean")}
    return Block(first, rows, np.full((layers, 66), count), None)


@pytest.mark.parametrize("method", ["direct", "collapsed"])
@pytest.mark.parametrize("case", [Case(), Case(width=4, depth=2), Case(width=4096, depth=200), Case(depth=60000)])
def test_part_size_is_a_power_of_two_within_bounds(case, method):
    size = part_size(case, case.widths[0], method)
    assert size & (size - 1) == 0
    assert 1 <= size <= 8192
    assert size * len(case.widths) * 80 <= 1 << 25


def test_part_size_does_not_depend_on_what_does_not_change_the_work():
    assert part_size(Case("xavier_normal", "tanh"), 256, "direct") == part_size(Case("lecun_normal"), 256, "direct")


def test_names_read_back():
    for name in (PartName(0, 0, 1, 0), PartName(1234, 123456789, 16, 0xDEADBEEF)):
        assert PartName.parse(str(name)) == name
    assert PartName.parse("head.h5") is None
    assert PartName.parse("case000-part00000000-n16-00000000.h5") is None  # of an earlier version


def kept(first, count):
    return of_rows(block(first, count))


def summed(first, count):
    made, folding = block(first, count), Folding(16, sketched=True)
    folding.add_groups(KeptRows(made.rows, {}))
    return replace(folding.part(first, count), preactivation_counts=made.preactivation_counts)


@pytest.mark.parametrize("make", [kept, summed])
def test_a_part_reads_back_as_it_was(make):
    part = make(32, 16)
    image = part_image.encode(part, "abc")
    with h5py.File.in_memory(image) as file:
        assert file.attrs["identity"] == "abc"
    back = part_image.decode(image)
    assert (back.first, back.count) == (32, 16)
    assert np.array_equal(back.preactivation_counts, part.preactivation_counts)
    assert back.gradient_counts is None
    for name in part.rows or {}:
        assert np.array_equal(back.rows[name], part.rows[name])
    for name, of in (part.accumulators or {}).items():
        assert np.array_equal(back.accumulators[name].value.spread, of.value.spread)
        assert np.array_equal(back.accumulators[name].sketch.codes, of.sketch.codes)


def test_an_image_of_several_parts_reads_back_in_their_order():
    parts = [summed(0, 64), summed(64, 32), summed(96, 16)]
    back = part_image.decode_all(part_image.encode_all(parts, "abc"))
    assert [(part.first, part.count) for part in back] == [(0, 64), (64, 32), (96, 16)]


def test_folding_in_steps_gives_the_same_bits():
    made = [summed(16 * i, 16) for i in range(7)]
    whole = fold(made)
    again = fold([*halves_merged(made[:3]), *halves_merged(made[3:])])
    assert whole.count == again.count == 7 * 16
    for name, of in whole.accumulators.items():
        assert of.value.mean.tobytes() == again.accumulators[name].value.mean.tobytes()
        assert of.value.spread.tobytes() == again.accumulators[name].value.spread.tobytes()
    assert [part.count for part in halves_merged(made)] == [64, 32, 16]
    assert [part.count for part in halves_merged([made[0], *made[2:4]])] == [16, 32]  # the gap stays one
    with pytest.raises(ValueError, match="follow"):
        fold([made[2], made[0]])


def test_a_store_on_disk_stands_in_for_the_one_in_memory(tmp_path):
    for store in (MemoryParts(), FolderParts(tmp_path)):
        name = store.write(0, 48, 16, b"image")
        assert store.names() == [name]
        assert store.read(name) == b"image"
        store.remove(name)
        assert store.names() == []


def test_a_changed_byte_is_found(tmp_path):
    store = FolderParts(tmp_path)
    name = store.write(0, 48, 16, b"image")
    (tmp_path / str(name)).write_bytes(b"imagE")
    with pytest.raises(DamagedPart):
        store.read(name)


def test_longer_parts_replace_what_they_hold():
    short, long = PartName(0, 80, 3, 1), PartName(0, 80, 16, 2)
    folded, after = PartName(1, 16, 16, 3), PartName(1, 32, 16, 4)
    set_of_two, old = PartName(1, 0, 32, 5), PartName(1, 0, 16, 6)
    chosen, rest = usable([short, long, folded, after, set_of_two, old])
    assert chosen == {0: [long], 1: [set_of_two, after]}
    assert set(rest) == {short, folded, old}


@pytest.mark.parametrize("make", [kept, summed])
def test_an_image_does_not_depend_on_the_clock(make, monkeypatch):
    part = make(32, 16)
    first = part_image.encode(part, "abc"), part_image.encode_all([part], "abc")
    time.sleep(1.1)  # HDF5 would note whole seconds
    assert (part_image.encode(part, "abc"), part_image.encode_all([part], "abc")) == first
