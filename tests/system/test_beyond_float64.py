"""Second moments beyond float64, from the kernels to every reader: right numbers, right verdicts, the same bits.

Of a ReLU network every layer is homogeneous: weights 2^7 times as large make h_l and x_l 2^(7 l) times as large, and
d_l 2^(7 (L - l)) times. The networks of weights of 2^-2, which stay inside float64, are the truth for the others.
"""

import csv
import importlib
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from conftest import assert_same_bits, datasets
from networks import propagated, simulated

import mcflow
from mcflow import Case, Study, cli
from mcflow.files.result import Result
from mcflow.files.shards import Shard
from mcflow.files.target import Target
from mcflow.methods import cost
from mcflow.plan import prepare
from mcflow.quantities import ALL
from mcflow.running import merging
from mcflow.running.progress import Silent
from mcflow.running.run import Options, run_to_file
from mcflow.statistics import magnitudes

DEPTH, WIDTH = 90, 64
STEP = 7  # powers of two by which the weights are larger or smaller than those of PLAIN
PLAIN = 2.0**-2  # E h_l^2 doubles in every layer
OVER, UNDER = PLAIN * 2.0**STEP, PLAIN * 2.0**-STEP


def case_of(std, batch=1, **fields):
    return Case(f"normal:{std!r}", "relu", **{"depth": DEPTH, "width": WIDTH, "batch": batch} | fields)


POWERS = {quantity.name: quantity.powers for quantity in ALL if quantity.has_size}


def shift_of(quantity, step):
    """(layer,) by how many powers of two a quantity is larger where weights are by 2^step."""
    layer = np.arange(1, DEPTH + 1)
    of = np.stack([layer, layer, DEPTH - layer, layer - 1])
    return step * np.array(POWERS[quantity]) @ of


def assert_shifted(block, truth, step):
    """The rows of a block against the truth's, multiplied by the powers of two that homogeneity says."""
    for quantity in POWERS:
        if quantity not in block.rows:
            continue
        values, expected = block.rows[quantity], truth[quantity]
        log2 = block.log2.get(quantity, magnitudes.log2_of(values))
        np.testing.assert_allclose(
            log2, magnitudes.log2_of(expected) + shift_of(quantity, step), atol=2e-5, err_msg=quantity
        )
        assert np.array_equal(np.signbit(values), np.signbit(expected)), quantity
    for quantity in set(block.rows) - set(POWERS):
        np.testing.assert_array_equal(block.rows[quantity], truth[quantity])


@pytest.mark.parametrize(
    ("method", "batch"), [("direct", 1), ("direct", 3), ("collapsed", 1), ("collapsed", 3), ("chain", 1)]
)
def test_networks_beyond_float64_are_those_within_it_times_a_power_of_two(method, batch):
    truth = simulated(case_of(PLAIN, batch), count=4, method=method)
    assert not truth.log2
    for std, step in ((OVER, STEP), (UNDER, -STEP)):
        block = simulated(case_of(std, batch), count=4, method=method)
        assert {"preactivation_second_moment", "weight_gradient_second_moment"} <= set(block.log2)
        assert_shifted(block, truth.rows, step)


def test_a_directly_simulated_network_beyond_float64_is_that_of_its_weights():
    truth = {name: row[np.newaxis] for name, row in propagated(case_of(PLAIN, 2), 3, 1).items()}
    for std, step in ((OVER, STEP), (UNDER, -STEP)):
        block = simulated(case_of(std, 2), first=1)
        for quantity in ("preactivation_second_moment", "activation_second_moment", "gradient_second_moment"):
            expected = magnitudes.log2_of(truth[quantity]) + shift_of(quantity, step)
            np.testing.assert_allclose(block.log2[quantity], expected, atol=5e-5, err_msg=quantity)


def write(path, study, shard=None, resume=False):
    run_to_file(prepare(study, "collapsed", "cpu"), Target(path, resume, False), Options(shard=shard), Silent())


def made(folder, std, keep, how, networks=40):
    """A file made in one go, in two, or of two shards."""
    study = Study((case_of(std),), networks=networks, keep=keep)
    path = folder / f"{how}.h5"
    if how == "shards":
        shards = [folder / f"shard{number}.h5" for number in range(2)]
        for number, shard in enumerate(shards):
            write(shard, study, Shard(number, 2))
        merging.merge(shards, path).close()
        return path
    if how == "resumed":
        write(path, Study(study.cases, networks=networks // 4, keep=keep))
    write(path, study, resume=how == "resumed")
    return path


@pytest.mark.parametrize(("std", "keep"), [(OVER, "summary"), (UNDER, "networks")])
def test_resumed_and_sharded_files_have_the_same_bits_and_the_right_logarithms(std, keep, tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "_LARGEST", 16)
    monkeypatch.setattr(cost, "_SMALLEST", 16)
    whole = made(tmp_path, std, keep, "whole")
    for how in ("resumed", "shards"):
        assert_same_bits(whole, made(tmp_path, std, keep, how))
    with mcflow.open(whole) as result:
        found = result[result.names[0]]
        assert (keep == "networks") == ("activation_second_moment_log2" in found)
        # E q_l = n std^2 (n std^2 / 2)^(l - 1); a logarithm has variance 5 / n a layer, and that half less mean
        gain = math.log(WIDTH * std * std)
        expected = gain + (gain - math.log(2.0)) * np.arange(DEPTH) - 2.5 / WIDTH * np.arange(1, DEPTH + 1)
        logs = found["preactivation_second_moment_log_mean"].values
        error = found["preactivation_second_moment_log_std"].values / math.sqrt(40)
        assert (np.abs(logs - expected) < 5 * error + 0.1).all()
        assert (found["activation_second_moment_zero_fraction"] == 0).all()  # an underflow is not a dead network
        assert np.isinf(logs).sum() == 0
        mean, low, high = (
            found[f"preactivation_second_moment_{name}_log2"].values[-1] for name in ("mean", "q05", "q95")
        )
        assert low < logs[-1] / math.log(2.0) < high
        assert low < mean < high + 5
        assert found["preactivation_second_moment_mean"].values[-1] == (np.inf if std == OVER else 0.0)


def test_where_only_some_parts_leave_float64_the_others_get_logarithms_too(tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "_LARGEST", 2)
    monkeypatch.setattr(cost, "_SMALLEST", 2)
    border = 2.0**-8.14  # activations end at 2^-1020 or so
    whole = made(tmp_path, border, "networks", "whole", 12)
    assert_same_bits(whole, made(tmp_path, border, "networks", "resumed", 12))
    assert_same_bits(whole, made(tmp_path, border, "networks", "shards", 12))
    rows = datasets(whole)
    (name,) = [name for name in rows if name.endswith("/activation_second_moment")]
    values, log2 = rows[name], rows[f"{name}_log2"]
    lost = magnitudes.lost(values, log2).any(axis=1).reshape(-1, 2).any(axis=1)
    assert lost.any()
    assert not lost.all()
    normal = values > magnitudes.SMALLEST
    np.testing.assert_array_equal(log2[normal], np.log2(values)[normal])
    np.testing.assert_allclose(np.exp2(log2[~normal] + 1000.0), values[~normal] * 2.0**1000, rtol=1e-3, atol=2.0**-72)


@pytest.mark.parametrize("method", ["direct", "collapsed", "chain"])
@pytest.mark.parametrize("std", [OVER, UNDER])
def test_verify_judges_them_and_finds_a_gain_wrong_by_two_percent(std, method, monkeypatch):
    with mcflow.run(Study((case_of(std),), networks=60), method=method, device="cpu") as result:
        found = mcflow.verify(result)
        assert found.all_consistent, found.verdicts[0].sentence
        judged = {(row.layer, row.quantity) for row in found.tests if row.judged and row.statistic == "log_mean"}
        assert {(DEPTH, "activation_second_moment"), (1, "gradient_second_moment")} <= judged
        text = json.dumps(found.record(), allow_nan=False)
        assert "predicted_log10" in text
        monkeypatch.setattr(Result, "case", lambda self, name: case_of(1.02 * std))
        wrong = mcflow.verify(result)
    assert not wrong.all_consistent
    assert wrong.verdicts[0].breaks["activation_second_moment"] < DEPTH


def test_means_beyond_float64_are_judged_where_no_logarithm_is_known(monkeypatch):
    """Uniform weights have no law of logarithms; of few layers, no few networks rule the mean."""
    case = Case(f"uniform:{2.0**40!r}", "relu", depth=16, width=128)
    with mcflow.run(Study((case,), networks=400), method="direct", device="cpu") as result:
        found = mcflow.verify(result)
        assert found.all_consistent, found.verdicts[0].sentence
        row = next(r for r in found.tests if (r.layer, r.quantity) == (16, "preactivation_second_moment"))
        assert row.judged
        # n std^2 / 2 = 2^86 a layer, of inputs whose second moment is 1
        assert math.log2(row.predicted) + row.exponent == pytest.approx(86 * 16 + 1, abs=1e-6)
        assert abs(math.log2(row.measured / row.predicted)) < 0.3
        monkeypatch.setattr(Result, "case", lambda self, name: replace(case, scheme=f"uniform:{1.02 * 2.0**40!r}"))
        wrong = mcflow.verify(result)
        row = next(r for r in wrong.tests if (r.layer, r.quantity) == (16, "preactivation_second_moment"))
        assert row.rejected
        assert row.relative_difference == pytest.approx(1.02**-32 - 1.0, abs=0.15)


@pytest.mark.parametrize(
    ("std", "batch", "keep"),
    [
        (OVER, 1, "networks"),
        pytest.param(UNDER, 3, "networks", marks=pytest.mark.slow),
        pytest.param(UNDER, 1, "summary", marks=pytest.mark.slow),
    ],
)
def test_every_reader_takes_them(std, batch, keep, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    study = Study((case_of(std, batch),), networks=20, keep=keep)
    mcflow.run(study, "far.h5", method="collapsed", device="cpu").close()
    power = "10^4" if std == OVER else "10^-3"
    words = "explode" if std == OVER else "vanish"
    run = f"run --scheme normal:{std!r} --activation relu --depth {DEPTH} --width {WIDTH} --networks 20 --method chain"
    assert cli.call([*run.split(), "-o", "chain.h5", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert power in said
    assert f"activations {words} (10^" in said
    assert "nan" not in said
    assert cli.call(["verify", "far.h5"]) == 0
    said = capsys.readouterr().out
    assert "nan" not in said
    assert cli.call(["compare", "far.h5"]) == 0
    said = capsys.readouterr().out
    factor = WIDTH * std * std / 2
    assert "0.0000" not in said
    found = float(said.partition("│ normal")[2].split("│")[1].split("±")[0])
    assert abs(math.log(found / factor)) < 0.2
    assert cli.call(["report", "far.h5", "-o", "far.html"]) == 0
    assert power in (tmp_path / "far.html").read_text()
    assert cli.call(["plot", "far.h5", "-o", "pictures", "--format", "svg"]) == 0
    assert {"far-flow.svg", "far-zscores.svg"} <= {path.name for path in (tmp_path / "pictures").iterdir()}
    assert cli.call(["show", "far.h5", "--check"]) == 0
    assert cli.call(["export", "far.h5", "-o", "far.csv"]) == 0
    with (tmp_path / "far.csv").open() as file:
        rows = list(csv.DictReader(file))
    last = [row for row in rows if row["quantity"] == "activation_second_moment" and row["layer"] == str(DEPTH)]
    last = [row for row in last if row.get("statistic", "q50") == "q50"]
    assert {row["value"] for row in last} == {"inf" if std == OVER else "0.0"}
    assert all(abs(float(row["log2"]) - math.log2(factor) * DEPTH) < 35 for row in last)
    first = [row for row in rows if row["quantity"] == "activation_second_moment" and row["layer"] == "1"]
    assert {row["log2"] for row in first} == {""}


def test_recommend_says_factors_that_float64_cannot_hold(monkeypatch, capsys):
    monkeypatch.setattr(importlib.import_module("mcflow.answers.recommendation"), "BASELINES", ("torch_default",))
    assert cli.call(["recommend", "--activation", "relu", "--depth", "600", "--width", "16", "--networks", "4"]) == 0
    said = capsys.readouterr().out
    cells = [cell.strip() for cell in said.partition("│ torch_default")[2].split("│")]
    predicted, measured = cells[4].split(", ")  # gradients; its biases hold the activations
    assert predicted == f"10^{-599 * math.log10(6.0):.2f}"
    # a typical network of width 16 lies under the mean by half the variance of its logarithm, 5 / 16 a layer
    assert float(measured.removeprefix("10^")) == pytest.approx(-466.11 - 2.5 * 599 / 16 / math.log(10.0), abs=12.0)


def test_a_study_inside_float64_has_no_logarithms():
    with mcflow.run(Study((case_of(PLAIN, depth=20),), networks=20)) as result:
        assert not [name for name in result[result.names[0]] if str(name).endswith("_log2")]


def test_the_live_view_tells_decades_beyond_float64(tmp_path, monkeypatch):
    from mcflow.cli.live_view import sparkline
    from mcflow.files import live, part_image
    from mcflow.files.part_folder import FolderParts
    from mcflow.sampling import part
    from mcflow.sampling.fold import Folding, KeptRows

    block = simulated(case_of(OVER), count=8, method="chain")
    folding = Folding(4, sketched=True)
    folding.add_groups(KeptRows(block.rows, block.log2))
    for kept in (part.of_rows(block), folding.part(0, 8)):
        folder = tmp_path / str(kept.rows is None)
        folder.mkdir()
        FolderParts(folder).write(0, 0, 8, part_image.encode(kept, "x"))
        logs = live.Flowing(folder, "activation_second_moment").log10_means(0)
        assert np.isfinite(logs).all()
        assert abs(logs[-1] - 15 * DEPTH * math.log10(2.0)) < 4
        assert sparkline(logs).endswith(f"{logs[-1]:+.1f}")


def test_predicted_cosines_do_not_depend_on_the_scale_of_homogeneous_networks():
    cosines = [mcflow.predict(case_of(std, 2))["preactivation_correlation"].values for std in (PLAIN, OVER, UNDER)]
    assert cosines[0][0] < 0.1 < cosines[0][2] < 0.99 < cosines[0][-1]
    np.testing.assert_allclose(cosines[1:], [cosines[0]] * 2, atol=0.02)  # inside float64 also by the order 1 / width
    infinite = [
        mcflow.predict(case_of(std, 2), tier="infinite-width")["preactivation_correlation"]
        for std in (PLAIN, OVER, UNDER)
    ]
    np.testing.assert_allclose(infinite[1:], [infinite[0]] * 2, rtol=1e-10, atol=1e-12)
