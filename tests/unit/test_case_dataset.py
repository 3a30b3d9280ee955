"""The groups of a file as datasets: what any reader of netCDF finds there, read when it is used."""

import pytest
import xarray

import mcflow
from mcflow import Case, InputError, Study
from mcflow.files import case_dataset

CASES = [Case("kaiming_normal", "relu", depth=3, width=8, batch=2), Case("normal:40.0", "relu", depth=200, width=12)]


@pytest.fixture(scope="module", params=["networks", "summary"])
def path(request, tmp_path_factory):
    made = tmp_path_factory.mktemp("dataset") / "a.h5"
    mcflow.run(Study(CASES, networks=30, keep=request.param), made).close()
    return made


def test_every_group_is_what_the_reader_of_netcdf_makes_of_it(path):
    with mcflow.open(path) as result, xarray.open_datatree(path, engine="h5netcdf") as theirs:
        assert set(result.tree.groups) == set(theirs.groups)
        for group in theirs.groups:
            xarray.testing.assert_identical(result.tree[group].to_dataset(), theirs[group].to_dataset())


def test_opening_reads_no_case_and_asking_for_one_reads_that_one(path, monkeypatch):
    read = []
    real = case_dataset.dataset_of

    def noted(group, place, about):
        read.append(group.name)
        return real(group, place, about)

    monkeypatch.setattr(case_dataset, "dataset_of", noted)
    with mcflow.open(path) as result:
        first, *_ = result.names
        assert read == []
        assert result[first].sizes["layer"] == 3
        assert read
        assert all(name.startswith(f"/{first}") for name in read)


def test_what_was_read_stays_and_what_was_not_is_a_sentence_after_close(path):
    result = mcflow.open(path)
    found = result[result.names[0]]
    kept = found["width"].values
    result.close()
    assert kept.tolist() == found["width"].values.tolist() == [8, 8, 8]
    with pytest.raises(InputError, match=r"a\.h5 is closed"):
        _ = found["activation_second_moment_mean"].values
