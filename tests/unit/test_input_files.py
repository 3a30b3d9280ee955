"""Files of arrays beyond one matrix: links, MATLAB, netCDF, Parquet, images, and names with colons."""

import importlib.util

import h5py
import numpy as np
import pytest
import scipy.io
import xarray

from mcflow import Case, InputError, plan
from mcflow.inputs.case_inputs import inputs_of
from mcflow.inputs.hdf5_child import read as read_hdf5
from mcflow.inputs.user_files import read, split
from mcflow.model.study import Study

ROOM = 1 << 30
have_pyarrow = pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((5, 4))


def test_images_are_flattened_as_torch_does_and_it_is_said(tmp_path, rows):
    images = np.random.default_rng(1).standard_normal((5, 3, 2, 4))
    np.save(tmp_path / "a.npy", images)
    values, note = read(str(tmp_path / "a.npy"), 5)
    for k in range(5):  # row k: channel by channel, line by line
        assert values[k].tolist() == [images[k, c, i, j] for c in range(3) for i in range(2) for j in range(4)]
    assert note.endswith("a.npy: shape (5, 3, 2, 4) flattened to (5, 24)")
    np.savez(tmp_path / "a.npz", x=images[:, 0])
    assert np.array_equal(read(f"{tmp_path / 'a.npz'}:x", 5)[0], images[:, 0].reshape(5, 8))


def test_a_study_keeps_and_says_how_its_inputs_were_read(tmp_path, rows):
    (tmp_path / "a.csv").write_text("x;y\n1,5;2\n3;4\n")
    case = Case(inputs=str(tmp_path / "a.csv"), depth=2, width=4)
    (job,) = plan.prepare(Study([case]), device="cpu").jobs
    said = "a.csv: columns separated by semicolons, decimal commas, line 1 taken as a header"
    assert job.inputs_note.endswith(said)


@pytest.fixture
def linked(tmp_path, rows):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["group/x"] = rows
        file["soft"] = h5py.SoftLink("/group/x")
        file["broken"] = h5py.SoftLink("/nothing")
        file["a:b"] = rows
        file["void"] = h5py.Empty("f8")
        file["other"] = h5py.ExternalLink("b.h5", "x")
        file["gone"] = h5py.ExternalLink("c.h5", "x")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = rows
    return str(path)


def test_links_and_names_with_colons_lead_to_the_rows(linked, rows):
    assert np.array_equal(read(f"{linked}:a:b", 5)[0], rows)  # through the child process; the rest without
    for name in ("group/x", "/group/x", "soft", "other"):
        assert np.array_equal(read_hdf5(linked, name, ROOM)[0], rows), name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken", "broken is a link to '/nothing', which is not there"),
        ("gone", "gone is a link to 'x', which is not there"),
        ("void", "void is empty"),
        ("group", "no dataset 'group'"),
        ("", "say which dataset of .* it has a:b, group/x, other, soft, void"),
    ],
)
def test_what_holds_no_array_is_a_sentence(linked, name, words):
    with pytest.raises(InputError, match=words):
        read_hdf5(linked, name, ROOM)


def test_the_path_is_the_longest_that_exists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.h5").touch()
    (tmp_path / "b:c.h5").touch()
    assert split("a.h5:x:y") == ("a.h5", "x:y")
    assert split("b:c.h5") == ("b:c.h5", "")
    assert split("b:c.h5:x") == ("b:c.h5", "x")
    assert split("absent.h5:x:y") == ("absent.h5", "x:y")
    (tmp_path / "a.h5:x").touch()
    assert split("a.h5:x:y") == ("a.h5:x", "y")


def matlab(path, values):
    """A file as MATLAB's save -v7.3 makes it: axes from the last to the first, behind a header of 512 bytes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, (kind, value) in values.items():
            file[name] = value.T
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)
        file["#refs#/a"] = np.ones(3)
        sparse = file.create_group("S")
        sparse.attrs["MATLAB_sparse"] = np.uint64(3)
        sparse["data"] = np.ones(3)
        file["E"] = np.zeros(2, np.uint64)
        file["E"].attrs["MATLAB_class"], file["E"].attrs["MATLAB_empty"] = np.bytes_("double"), np.uint8(1)
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def test_matlab_s_rows_are_rows(tmp_path, rows):
    path = str(tmp_path / "a.mat")
    matlab(path, {"X": ("double", rows), "t": ("char", np.array([[65, 66]], np.uint16))})
    values, note = read(f"{path}:X", 5)
    assert np.array_equal(values, rows)
    assert note.endswith("axes as in MATLAB, 5 x 4")
    for name, words in {"t": "char of MATLAB", "S": r"save full\(S\)", "E": "empty", "": "it has E, X, t"}.items():
        with pytest.raises(InputError, match=words):
            read_hdf5(path, name, ROOM)


@pytest.mark.parametrize("version", ["5", "4"])
def test_an_older_matlab_file_is_refused_with_the_way_out(tmp_path, rows, version):
    scipy.io.savemat(tmp_path / "a.mat", {"X": rows}, format=version)
    with pytest.raises(InputError, match=r"'-v7\.3'\).*scipy\.io\.loadmat"):
        read_hdf5(str(tmp_path / "a.mat"), "X", ROOM)


def test_netcdf_is_read_without_its_axes_and_never_packed(tmp_path, rows):
    data = xarray.Dataset({"x": (("n", "f"), rows)}, coords={"n": np.arange(5)})
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    assert np.array_equal(read(str(tmp_path / "a.nc"), 5)[0], rows)
    packed = {"x": {"scale_factor": 0.1, "dtype": "i2", "_FillValue": -9}}
    data.to_netcdf(tmp_path / "b.nc", engine="h5netcdf", encoding=packed)
    data.to_netcdf(tmp_path / "c.nc", engine="scipy")
    whole = xarray.Dataset({"x": (("n", "f"), np.array([[1, -9], [3, 4]]), {"_FillValue": -9})})
    whole.to_netcdf(tmp_path / "d.nc", engine="h5netcdf")
    for name, words in {"b.nc": "is packed", "c.nc": "netCDF 3", "d.nc": "missing values"}.items():
        with pytest.raises(InputError, match=words):
            read_hdf5(str(tmp_path / name), "", ROOM)


@have_pyarrow
def test_parquet_columns_are_features_and_an_index_is_not(tmp_path, rows):
    import pandas

    path = str(tmp_path / "a.parquet")
    frame = pandas.DataFrame(rows, columns=list("abcd"), index=list("vwxyz"))
    frame.to_parquet(path)
    values, note = read(path, 5)
    assert np.array_equal(values, rows)
    assert "index '__index_level_0__' left out" in note
    assert np.array_equal(inputs_of(Case(inputs=path, batch=2, raw=True), 0), rows[:2])


@have_pyarrow
def test_parquet_that_is_no_table_of_numbers_is_refused_by_place(tmp_path, rows):
    import pandas

    from mcflow.inputs.parquet_child import read as read_parquet

    path = str(tmp_path / "a.parquet")
    frame = pandas.DataFrame({"a": [1, 2], "b": pandas.array([3, None], dtype="Int64"), "c": [True, False]})
    for columns, words in {
        "ab": r"row 2, column 2 \(b\) is missing",
        "at": r"column 2 \(t\) holds .*string, not real numbers",
        "d": r"column 1 \(d\) holds timestamp",
        "": "no columns",
    }.items():
        frame.assign(t="word", d=pandas.Timestamp(0))[list(columns)].to_parquet(path, index=False)
        with pytest.raises(InputError, match=words):
            read_parquet(path, ROOM)
    frame[["a", "c"]].to_parquet(path)
    assert read_parquet(path, ROOM)[0].tolist() == [[1, 1], [2, 0]]
    with pytest.raises(InputError, match="does not fit into memory"):
        read_parquet(path, 16)
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + bytes(40))
    with pytest.raises(InputError, match="as Parquet"):
        read_parquet(path, ROOM)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").touch()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'mcflow\[parquet\]'"):
        read(str(tmp_path / "a.parquet"), 1)


@pytest.mark.parametrize(("name", "words"), {"a.pt": "tensor.numpy", "a.xlsx": "to_csv", "a": r"\.parquet"}.items())
def test_other_files_are_refused_with_what_can_be_read(name, words):
    with pytest.raises(InputError, match=words):
        read(name, 1)
