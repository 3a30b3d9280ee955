"""Networks without a number: an inconsistency that every verb names, and that hides no other."""

import json
from dataclasses import replace

import numpy as np
import pytest
from mcflow.kernels import recorded

from mcflow import Case, Study, run, verify
from mcflow.activations import registry
from mcflow.cli import call
from mcflow.files.missing import Missing, has_every_cosine, missing
from mcflow.sampling import sample

CASE = Case("kaiming_normal", "relu", depth=6, width=32)


@pytest.fixture
def broken(monkeypatch):
    """One network in a hundred comes out as NaN in d^2 from layer 4 on."""
    record = sample.record

    def spoiled(*arguments, **options):
        block = record(*arguments, **options)
        numbers = np.arange(block.first, block.first + block.count)
        block.sums[recorded.D_TWO, numbers % 100 == 3, 3:] = np.nan
        return block

    monkeypatch.setattr(sample, "record", spoiled)


def test_a_network_of_nan_is_an_inconsistency_of_its_own(broken):
    with run(Study([CASE], networks=400)) as result:
        found = verify(result)
    row = next(row for row in found.tests if row.statistic == "count")
    assert (row.quantity, row.layer, row.measured, row.predicted) == ("gradient_second_moment", 4, 396, 400)
    assert row.rejected
    assert not found.all_consistent
    sentence = found.verdicts[0].sentence
    assert "4 of 400 networks have no gradient_second_moment (NaN), first in layer 4" in sentence
    assert found.verdicts[0].breaks == {"gradient_second_moment": 4}


def test_a_network_of_nan_switches_no_other_test_off(broken):
    wrong = replace(CASE, gain=1.05 * CASE.numeric_gain)
    with run(Study([wrong], networks=400)) as result:
        result.__class__ = type("Mislabelled", (type(result),), {"case": lambda self, name: CASE})
        spoiled = verify(result)
    gradients = [row for row in spoiled.tests if row.quantity == "gradient_second_moment" and row.statistic == "mean"]
    assert all(row.judged for row in gradients[3:])  # where NaN is; the last layer's gradient has met no weights
    assert gradients[3].rejected
    failing = {row.quantity for row in spoiled.tests if row.rejected and row.statistic == "mean"}
    assert {"gradient_second_moment", "activation_second_moment"} <= failing
    assert "tests fail" in spoiled.verdicts[0].sentence
    assert "no gradient_second_moment" in spoiled.verdicts[0].sentence


def test_run_show_verify_and_report_name_them(broken, tmp_path, capsys):
    path = str(tmp_path / "a.h5")
    words = "4 of 400 networks have no gradient_second_moment (NaN), first in layer 4"
    flags = "--scheme kaiming_normal --activation relu --depth 6 --width 32 --networks 400 --threads 1 --quiet --json"
    assert call(["run", *flags.split(), "-o", path]) == 0
    ran = capsys.readouterr()
    assert words in ran.err
    assert json.loads(ran.out)["networks"] == 400
    assert call(["show", path]) == 0
    assert words in capsys.readouterr().out.replace("\n", " ")
    assert call(["verify", path]) == 1
    assert words in capsys.readouterr().out
    assert call(["report", path, "-o", str(tmp_path / "a.html")]) == 0
    assert words in (tmp_path / "a.html").read_text()


def test_a_whole_file_lacks_nothing(tmp_path):
    with run(Study([CASE], networks=50), tmp_path / "a.h5") as result:
        assert missing(result[result.names[0]], 50, cosines=True) == []


def test_cosines_of_inputs_that_can_die_may_lack_numbers():
    counts = {"preactivation_correlation_count": np.array([7, 7, 6]), "activation_mean_count": np.array([7, 7, 7])}
    inputs = np.ones((2, 3))
    assert missing(counts, 7, has_every_cosine(registry.get("relu"), inputs)) == []
    assert not has_every_cosine(registry.get("tanh"), np.array([[1.0, 2.0], [0.0, 0.0]]))
    found = missing(counts, 7, has_every_cosine(registry.get("tanh"), inputs))
    assert found == [Missing("preactivation_correlation", 1, 7, 3)]
    assert found[0].sentence == "1 of 7 networks has no preactivation_correlation (NaN), first in layer 3"


def test_a_quantity_that_no_network_has_is_named_and_stops_nothing(monkeypatch):
    record = sample.record

    def spoiled(*arguments, **options):
        block = record(*arguments, **options)
        block.sums[recorded.X_TWO, :, 4:] = np.nan
        return block

    monkeypatch.setattr(sample, "record", spoiled)
    with run(Study([CASE], networks=60), threads=1) as result:
        found = verify(result)
    assert "60 of 60 networks have no activation_second_moment (NaN), first in layer 5" in found.verdicts[0].sentence
    assert not found.all_consistent
