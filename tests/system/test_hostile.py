"""Hostile files: an error sentence or a right answer, never another exception, a hang, a crash or a memory blow-up."""

import contextlib
import gzip
import io
import os
import select
import subprocess
import sys
import zipfile
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest
import xarray
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mcflow
from mcflow.errors import InputError
from mcflow.model.study import Study

CHILD = Path(__file__).parent / "hostile_child.py"
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # files of bytes are long
PATIENCE = 30  # seconds for one file

fewer = [pytest.param(50, id="50"), pytest.param(2000, id="2000", marks=pytest.mark.hostile)]
often = [pytest.param(100, id="100"), pytest.param(2000, id="2000", marks=pytest.mark.hostile)]


class Reader:
    """A child that reads one file after another; it is started again where a file ended it."""

    def __init__(self):
        self.process = None

    def read(self, kind, path):
        if self.process is None or self.process.poll() is not None:
            self.close()
            self.process = subprocess.Popen(
                [sys.executable, CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        self.process.stdin.write(f"{kind} {path}\n".encode())
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        if not ready:
            self.process.kill()
            return "hung"
        answer = self.process.stdout.readline().decode()
        return answer.strip() if answer else f"crashed: {self.process.wait()}"

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()


@pytest.fixture(scope="module")
def reader():
    with contextlib.closing(Reader()) as found:
        yield found


def examples(count):
    """Settings of a run of ``count`` examples, the same every time."""
    return settings(
        max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )


def damaged(whole):
    """Bytes like ``whole``, with some changed, cut off, doubled or put in; or bytes of no kind at all."""
    place = st.integers(0, len(whole) - 1)
    change = st.tuples(st.sampled_from(["set", "cut", "insert", "zero"]), place, st.binary(min_size=1, max_size=8))

    def apply(changes):
        content = bytearray(whole)
        for what, at, data in changes:
            at = min(at, len(content))
            if what == "cut":
                del content[at:]
            elif what == "insert":
                content[at:at] = data
            else:
                content[at : at + len(data)] = data if what == "set" else bytes(len(data))
        return bytes(content)

    return st.one_of(st.lists(change, min_size=1, max_size=4).map(apply), st.binary(max_size=200))


def npy(values, **options):
    buffer = io.BytesIO()
    np.save(buffer, values, **options)
    return buffer.getvalue()


def npz():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.arange(12.0).reshape(3, 4) + 1)
    return buffer.getvalue()


def hdf5():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("a", data=np.arange(1.0, 41.0).reshape(4, 10), chunks=(2, 10), compression="gzip")
    return buffer.getvalue()


def huge_header(shape, descr):
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(64)


SEEDS = {
    ".npy": npy(np.arange(12.0).reshape(3, 4) + 1),
    ".npz": npz(),
    ".csv": b"a,b,c\n1,2,3\n4.5,-1e3,2\n",
    ".tsv": '\ufeff\t0\t1\r\n0\t1,5\t-2\r\n1\t3\t"4,25"\r\n'.encode(),
    ".txt": '"a" "b" # two\n"r" 1 2.5e-3\n\n"s" 3 4\n'.encode("utf-16"),
    ".csv.gz": gzip.compress(b"x;y\n1,5;2\n3;4\n", mtime=0),
}
TABLE_LETTERS = st.text(st.sampled_from('0123456789.,;\t "#\n\r-+eEna_?%$:x\x00\u2212\ufeff'), max_size=60)


def expect(answer):
    assert answer == "right" or answer.startswith("refused: "), answer


@pytest.mark.parametrize("count", often)
@pytest.mark.parametrize("suffix", SEEDS)
def test_damaged_input_files(reader, tmp_path, suffix, count):
    path = tmp_path / f"a{suffix}"

    @examples(count)
    @given(damaged(SEEDS[suffix]))
    def check(content):
        path.write_bytes(content)
        expect(reader.read("inputs", path))

    check()


@pytest.mark.parametrize("count", fewer)
def test_any_text_as_a_table(reader, tmp_path, count):
    path = tmp_path / "a.csv"

    @examples(count)
    @given(TABLE_LETTERS)
    def check(text):
        path.write_bytes(text.encode())
        expect(reader.read("inputs", path))

    check()


@pytest.mark.parametrize("count", often)
def test_declared_shapes_and_kinds_of_arrays(reader, tmp_path, count):
    path = tmp_path / "a.npy"
    number = st.one_of(st.integers(-3, 9), st.sampled_from([1 << 31, 1 << 40, 1 << 62, 1 << 63, 10**30]))
    kinds = st.sampled_from(["<f8", "<f4", "|O", "<c16", "<U9", "<M8[s]", "|V0", "|b1", "<f2", "x", "", "<f16"])

    @examples(count)
    @given(st.lists(number, max_size=40).map(tuple), kinds)
    def check(shape, kind):
        path.write_bytes(huge_header(shape, kind))
        expect(reader.read("inputs", path))

    check()


def matlab():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        file["X"] = np.arange(1.0, 41.0).reshape(10, 4)
        file["X"].attrs["MATLAB_class"] = np.bytes_("double")
        file["link"] = h5py.SoftLink("/X")
        file.create_group("S").attrs["MATLAB_sparse"] = 3
    content = bytearray(buffer.getvalue())
    content[:10] = b"MATLAB 7.3"
    return bytes(content)


def netcdf(folder):
    path = folder / "seed.nc"
    axes = {"n": np.arange(4), "f": np.arange(3)}
    data = xarray.DataArray(np.arange(12.0).reshape(4, 3) + 1, axes, ("n", "f"), "x")
    data.to_netcdf(path, engine="h5netcdf")
    return path.read_bytes()


def parquet(folder):
    path = folder / "seed.parquet"
    pandas.DataFrame({"a": [1.0, 2.0], "b": [3, 4]}, index=["x", "y"]).to_parquet(path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "name", "seed", "count"),
    [
        pytest.param(*case, *count.values, marks=count.marks, id=f"{case[1]}-{count.id}")
        for case, counts in [
            (("hdf5_inputs", "a.h5", lambda folder: hdf5()), often),
            (("hdf5_inputs", "a.mat", lambda folder: matlab()), fewer),
            (("hdf5_inputs", "a.nc", netcdf), fewer),
            (("parquet_inputs", "a.parquet", parquet), fewer),
        ]
        for count in counts
    ],
)
def test_damaged_files_that_a_child_process_reads(reader, tmp_path, kind, name, seed, count):
    """A library may crash on such a file: mcflow reads it in a child process, for which that is a sentence."""
    if kind == "parquet_inputs":
        pytest.importorskip("pyarrow")
    path, whole = tmp_path / name, seed(tmp_path)
    path.write_bytes(whole)
    assert reader.read(kind, path) == "right"

    @examples(count)
    @given(damaged(whole))
    def check(content):
        path.write_bytes(content)
        answer = reader.read(kind, path)
        if not answer.startswith("crashed: -"):
            expect(answer)

    check()


@pytest.mark.parametrize("count", often)
@pytest.mark.parametrize("kind", ["result", "seal", "shard"])
def test_damaged_results(reader, mcflow_command, tmp_path, kind, count):
    path = tmp_path / "a.h5"
    if kind == "shard":
        assert mcflow_command("run", "--depth", "2", "--width", "4", "--shard", "1/2", "-o", path).returncode == 0
    else:
        mcflow.run(mcflow.Case(depth=2, width=4), path).close()
    whole = path.read_bytes()
    assert reader.read(kind, path) == "right"

    @examples(count)
    @given(damaged(whole))
    def check(content):
        path.write_bytes(content)
        expect(reader.read(kind, path))

    check()


LEAVES = st.one_of(
    st.integers(-5, 300),
    st.integers(),
    st.sampled_from([10**400, -(10**40), 1 << 63, float("inf"), float("-inf"), float("nan"), 1e308, 5e-324]),
    st.floats(),
    st.booleans(),
    st.text(max_size=20),
    st.sampled_from(["relu", "leaky_relu:nan", "leaky_relu:", "normal:inf", "uniform:1e-400", "os:system", "a:b,c"]),
    st.sampled_from(["gaussian", "digits", "../../etc/passwd.npy", "/dev/zero", "http://a/b.npy", "\x00.npy"]),
    st.sampled_from(["1979-05-27T07:32:00Z", "critical", "torch", "orthogonal", "he_normal", "fan_avg"]),
)
VALUES = st.one_of(
    LEAVES, st.lists(LEAVES, max_size=3), st.dictionaries(st.text(max_size=5), st.lists(LEAVES, max_size=2), max_size=2)
)
KEYS = st.sampled_from([*(item.name for item in fields(mcflow.Case)), *(item.name for item in fields(Study))]).flatmap(
    lambda name: st.sampled_from([name, name, name, "case", "defaults", ""])
)


def toml(value):
    """A value as TOML text."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(key))} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value) + '"'
    return str(value).lower() if isinstance(value, (bool, float)) else str(value)


def table(values):
    return "".join(f"{key or toml(key)} = {toml(value)}\n" for key, value in values.items())


TABLES = st.dictionaries(KEYS, VALUES, max_size=3).map(table)
DOCUMENTS = st.one_of(
    st.tuples(TABLES, st.lists(TABLES, max_size=3)).map(lambda made: made[0] + "[[case]]\n".join(["", *made[1]])),
    st.tuples(KEYS, VALUES).map(lambda made: f"[[case]]\n{made[0] or 'a'} = {toml(made[1])}\n"),
    damaged(Study((mcflow.Case(), mcflow.Case(activation="tanh", width=[4, 5]))).to_toml().encode()).map(
        lambda content: content.decode("utf-8", "surrogateescape")
    ),
    st.text(),
)


@pytest.mark.parametrize("count", often)
def test_study_texts(reader, tmp_path, count):
    path = tmp_path / "study.toml"

    @examples(count)
    @given(DOCUMENTS)
    def check(text):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        expect(reader.read("study", path))

    check()


@pytest.mark.parametrize("depth", [10, 500, 20_000])
def test_nested_and_endless_texts(reader, tmp_path, depth):
    path = tmp_path / "study.toml"
    for text in (
        "[[case]]\nwidth = " + "[" * depth,
        "a = " + "{b=" * depth,
        "[" + "a." * depth + "b]",
        "x" * depth,
        "a = 1" + "9" * depth,
    ):
        path.write_text(text)
        assert reader.read("study", path).startswith("refused: ")


def test_pickle_is_refused_wherever_it_hides(tmp_path):
    values = np.array([{}], dtype=object)
    (tmp_path / "a.npy").write_bytes(npy(values, allow_pickle=True))
    np.savez(tmp_path / "a.npz", a=values)
    (tmp_path / "b.npy").write_bytes(b"\x80\x04N.")
    for name in ("a.npy", "a.npz", "b.npy"):
        with pytest.raises(InputError, match=r"cannot read|not real numbers"):
            mcflow.run(mcflow.Case(inputs=str(tmp_path / name)))


def test_a_small_archive_that_unpacks_to_much_is_refused(reader, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", huge_header((1 << 26,), "<f8")[:-64] + bytes(1 << 29))
    assert reader.read("inputs", tmp_path / "a.npz").startswith("refused: ")
    for text in (b"1," * (1 << 23), b"1,2\n" * (1 << 18) + b"x,2\n"):
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text, 1))
        assert reader.read("inputs", tmp_path / "a.csv.gz").startswith("refused: ")


def test_paths_that_are_no_files_are_sentences(reader, tmp_path):
    os.mkfifo(tmp_path / "fifo.npy")
    os.mkfifo(tmp_path / "fifo.toml")
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "zero.npy").symlink_to("/dev/zero")
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    (tmp_path / "loop.npy").symlink_to(tmp_path / "loop.npy")
    for name in ("fifo.npy", "folder.npy", "zero.npy", "loop.npy", "none.npy"):
        assert reader.read("inputs", tmp_path / name).startswith("refused: "), name
    for path in ("/dev/zero", "http://localhost/a.npy", "file:///a.csv", "~/a.npy", "a" * 5000 + ".npy", "a\0.npy"):
        assert reader.read("inputs", path).startswith("refused: "), path
    for path in (tmp_path / "fifo.npy", tmp_path, "/dev/zero", "none.h5", "a\0.h5", tmp_path / "loop.npy"):
        assert reader.read("result", path).startswith("refused: "), path
    for path in (tmp_path / "fifo.toml", tmp_path / "zero.toml", "/dev/zero", tmp_path, "a\0.toml"):
        assert reader.read("study", path).startswith("refused: "), path
