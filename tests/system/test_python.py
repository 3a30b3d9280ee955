"""The Python interface: the same rows in memory as in a file, each case an xarray.Dataset."""

import numpy as np
import pytest

import mcflow
from mcflow import Case, InputError, Study

CASES = [Case(scheme, "relu", depth=3, width=8, batch=2) for scheme in ("kaiming_normal", "orthogonal")]
STUDY = Study(CASES, networks=40)


def test_in_memory_and_in_a_file_are_the_same_rows(tmp_path):
    with mcflow.run(STUDY) as memory, mcflow.run(STUDY, tmp_path / "a.h5") as file:
        assert memory.names == file.names == ["kaiming_normal-relu", "orthogonal-relu"]
        for name in memory:
            assert memory[name].equals(file[name])
        assert file.study == STUDY


def test_a_case_is_a_dataset_with_rows_summary_and_histograms():
    with mcflow.run(STUDY) as result:
        found = result["kaiming_normal-relu"]
        assert dict(found["activation_second_moment"].sizes) == {"network": 40, "layer": 3}
        mean = found["activation_second_moment"].mean("network")
        np.testing.assert_allclose(found["activation_second_moment_mean"], mean)
        error = found["activation_second_moment"].std("network", ddof=1) / np.sqrt(40)
        np.testing.assert_allclose(found["activation_second_moment_standard_error"], error)
        quantile = found["activation_second_moment"].quantile(0.95, "network")
        np.testing.assert_allclose(found["activation_second_moment_q95"], quantile)
        assert found["gradient_histogram"].dims == ("layer", "bin")
        assert found.attrs["method"] == "direct"
        assert result.inputs("kaiming_normal-relu").shape == (2, 8)
        with pytest.raises(InputError, match="kaiming_normal-relu"):
            result["kaiming-relu"]


def test_a_single_case_is_a_study_and_backward_can_be_left_out():
    with mcflow.run(Case(depth=2, width=4), backward=False) as result:
        found = result[result.names[0]]
        assert "gradient_second_moment" not in found
        assert "gradient_histogram" not in found
        assert found.sizes["network"] == 1000


def test_opening_what_is_no_study_is_a_sentence(tmp_path):
    (tmp_path / "a.h5").write_text("no")
    with pytest.raises(InputError, match=r"a\.h5"):
        mcflow.open(tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"b\.h5"):
        mcflow.open(tmp_path / "b.h5")


def test_public_names_are_there_and_submodules_do_not_hide_functions():
    import mcflow.sampling.network

    assert callable(mcflow.draw)
    for name in mcflow.__all__:
        assert getattr(mcflow, name) is not None
    assert set(mcflow.__all__) <= set(dir(mcflow))
