"""Inputs: drawn, digits, and files; what is wrong with a file is one sentence."""

import sys

import h5py
import numpy as np
import pytest

from mcflow import Case, InputError
from mcflow.inputs.case_inputs import _every_digit, digest, have_digits, inputs_of


@pytest.mark.parametrize("kind", ["gaussian", "sphere"])
def test_drawn_inputs_have_second_moment_one(kind):
    values = inputs_of(Case(inputs=kind, batch=6, width=40), 3)
    assert values.shape == (6, 40)
    np.testing.assert_allclose((values**2).mean(axis=1), 1.0, rtol=1e-14)


def test_raw_gaussian_inputs_are_not_scaled():
    values = inputs_of(Case(batch=6, width=40, raw=True), 3)
    assert np.ptp((values**2).mean(axis=1)) > 0.05


def test_seed_decides_the_draw():
    case = Case(batch=2, width=8)
    assert np.array_equal(inputs_of(case, 5), inputs_of(case, 5))
    assert not np.array_equal(inputs_of(case, 5), inputs_of(case, 6))


@pytest.mark.parametrize("cosine", [-1.0, -0.3, 0.0, 0.5, 0.999999, 1.0])
@pytest.mark.parametrize("raw", [False, True])
def test_pairs_have_exactly_the_cosine_asked_for(cosine, raw):
    values = inputs_of(Case(batch=4, width=12, correlation=cosine, raw=raw), 1)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_allclose((unit[::2] * unit[1::2]).sum(axis=1), cosine, atol=1e-14)
    assert abs(unit[0] @ unit[2]) < 0.95


def test_one_feature_has_no_pairs_but_equal_and_opposite():
    with pytest.raises(InputError, match="at least 2 features"):
        inputs_of(Case(batch=2, width=4, features=1, correlation=0.5), 0)


@pytest.mark.skipif(not have_digits(), reason="scikit-learn is not installed")
def test_digits_are_a_seeded_choice_of_rows():
    values = inputs_of(Case(inputs="digits", batch=5, raw=True), 0)
    assert values.shape == (5, 64)
    assert values.max() <= 16
    assert not np.array_equal(values, inputs_of(Case(inputs="digits", batch=5, raw=True), 1))
    with pytest.raises(InputError, match="1797"):
        inputs_of(Case(inputs="digits", batch=1798), 0)
    with pytest.raises(InputError, match="64 features"):
        inputs_of(Case(inputs="digits", features=60), 0)


@pytest.mark.skipif(not have_digits(), reason="scikit-learn is not installed")
def test_the_digits_are_those_of_scikit_learn_without_importing_it(monkeypatch):
    from sklearn.datasets import load_digits

    truth = load_digits().data
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "sklearn.datasets", None)  # an import of it raises
        assert np.array_equal(_every_digit(), truth)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # a release with no such table
    assert np.array_equal(_every_digit(), truth)


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((5, 7))


def test_every_kind_of_file_gives_the_same_inputs(tmp_path, rows):
    np.save(tmp_path / "a.npy", rows)
    np.savez(tmp_path / "a.npz", x=rows, y=np.zeros(3))
    np.savetxt(tmp_path / "a.csv", rows, delimiter=",", header="a,b,c,d,e,f,g", comments="")
    np.savetxt(tmp_path / "b.csv", rows, delimiter=",")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/x"] = rows
        file["y"] = np.zeros(3)
    found = [
        inputs_of(Case(inputs=str(tmp_path / name), batch=4), 0)
        for name in ("a.npy", "a.npz:x", "a.csv", "b.csv", "a.h5:group/x")
    ]
    for values in found:
        np.testing.assert_array_equal(values, found[0])
        np.testing.assert_allclose((values**2).mean(axis=1), 1.0)
    raw = inputs_of(Case(inputs=str(tmp_path / "a.npy"), batch=5, raw=True), 0)
    np.testing.assert_array_equal(raw, rows)
    assert digest([raw]) != digest([found[0]])


def refused(path, match, **fields):
    with pytest.raises(InputError, match=match) as caught:
        inputs_of(Case(inputs=str(path), **fields), 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_place(tmp_path, rows, bad):
    rows[3, 2] = bad
    np.save(tmp_path / "a.npy", rows)
    refused(tmp_path / "a.npy", "row 4, column 3")


def test_unfit_contents_are_refused(tmp_path, rows):
    for name, values, match in [
        ("point.npy", np.zeros(()), "shape"),
        ("line.npy", np.zeros(3), r"shape.*x\[None, :\]"),
        ("empty.npy", np.zeros((0, 4)), "shape"),
        ("words.npy", np.array(["a", "b"]), "real numbers"),
        ("complex.npy", np.ones((2, 2), complex), "real numbers"),
        ("zero.npy", np.zeros((2, 3)), "all zeros"),
        ("huge.npy", np.full((2, 3), 1e200), "float32"),
    ]:
        np.save(tmp_path / name, values)
        refused(tmp_path / name, match)
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    refused(tmp_path / "pickled.npy", "pickle|Object")
    np.save(tmp_path / "few.npy", rows)
    refused(tmp_path / "few.npy", "5 inputs", batch=6)


def test_unreadable_files_are_refused(tmp_path, rows):
    refused(tmp_path / "absent.npy", "no file")
    refused(tmp_path / "absent.doc", r"\.npy")
    refused(tmp_path, "gaussian")
    np.save(tmp_path / "a.npy", rows)
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "a.npy", "cannot read")
    np.savez(tmp_path / "a.npz", x=rows)
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-40])
    refused(tmp_path / "a.npz", "cannot read")


def test_unreadable_hdf5_is_refused(tmp_path, rows):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = rows
        file["y"] = rows
    refused(path, "say which dataset")
    refused(f"{path}:z", "no dataset 'z'")
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    refused(f"{path}:x", "HDF5")
    path.write_bytes(b"not a file of that kind")
    refused(f"{path}:x", "HDF5")


def test_raw_inputs_of_a_batch_that_differ_beyond_its_power_of_two_are_refused(tmp_path):
    values = np.ones((3, 4))
    values[1], values[2] = 0.0, 2.0**33  # zeros have no size, and this much is carried
    np.save(tmp_path / "inputs.npy", values)
    case = Case(inputs=str(tmp_path / "inputs.npy"), batch=3, raw=True)
    assert np.array_equal(inputs_of(case, 0), values)
    values[0] = 0.9
    np.save(tmp_path / "inputs.npy", values)
    with pytest.raises(InputError, match=r"inputs 1 and 3 of .* may differ by a factor of 2\^33: leave raw out"):
        inputs_of(case, 0)
