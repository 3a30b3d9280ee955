"""The registry of quantities: whole, without contradictions, and what both devices and the file lean on."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from mcflow.kernels import recorded
from mcflow.kernels.cpu import sums as on_the_processor

import mcflow
from mcflow import quantities
from mcflow.answers import allowances
from mcflow.answers.checks import conditional
from mcflow.files import schema
from mcflow.files.missing import missing
from mcflow.inputs.case_inputs import inputs_of
from mcflow.sampling.recorded import Recorded, Sizes
from mcflow.sampling.rows import block_of


def test_names_are_unique_and_found():
    assert len(set(quantities.NAMES)) == len(quantities.ALL)
    assert all(quantities.get(quantity.name) is quantity for quantity in quantities.ALL)
    with pytest.raises(mcflow.InputError, match="did you mean 'activation_mean'"):
        quantities.get("activation_men")


def test_the_registry_is_public_and_light():
    assert mcflow.quantities.get("active_fraction").kind == "fraction"
    code = "import sys, mcflow.quantities; print({'numpy', 'numba'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("quantity", quantities.ALL, ids=lambda quantity: quantity.name)
def test_an_entry_contradicts_neither_its_kind_nor_the_others(quantity):
    assert all(0 <= column < recorded.SUMS for column in quantity.sums)
    assert quantity.has_size == (quantity.kind in ("moment", "mean"))
    assert (quantity.scale != "") == (quantity.kind == "mean")
    for other in filter(None, (quantity.scale, quantity.size)):
        assert quantities.get(other).is_second_moment
    assert (quantity.least_inputs > 1) == (quantity.divisor == "pairs")
    assert (quantity.passes == "backward") == bool(set(quantity.sums) & backward_columns())
    assert (quantity.needs != "") == (quantity.kind in ("cosine", "ratio"))
    assert quantity.kind in ("mean", "cosine") or not quantity.symmetric
    assert quantity.kind == "moment" or not quantity.heavy
    assert not quantity.given_below or quantity.name in conditional.TERMS
    if quantity.follows is not None:
        other, power = quantity.follows
        assert quantity.powers == tuple(power * each for each in quantities.get(other).powers)


@pytest.fixture(scope="module")
def result():
    with mcflow.run(mcflow.Study(mcflow.Case("lecun_normal", "tanh", depth=3, width=16), networks=400)) as found:
        yield found


def judged_by(result, name):
    return {row.statistic for row in mcflow.verify(result).tests if row.quantity == name}


@pytest.mark.parametrize(
    ("name", "facts", "statistics"),
    [
        ("preactivation_fourth_moment", {"heavy": False}, {"std"}),
        ("activation_second_moment", {"told_apart": ""}, {"trend_over_networks", "serial_correlation"}),
        ("activation_second_moment", {"told_apart": "value"}, {"repeated_values"}),
        ("activation_mean", {"given_below": ""}, {"score_given_below", "square_score_given_below"}),
        ("activation_mean", {"given_below": "last"}, set()),
        ("gradient_second_moment", {"given_below": ""}, {"score_given_below", "square_score_given_below"}),
        ("gradient_second_moment", {"histogram": ""}, {"histogram_second_moment"}),
    ],
)
def test_which_tests_judge_a_quantity_is_said_by_its_entry_alone(monkeypatch, result, name, facts, statistics):
    before = judged_by(result, name)
    changed = replace(quantities.get(name), **facts)
    monkeypatch.setattr(quantities, "ALL", tuple(changed if q.name == name else q for q in quantities.ALL))
    monkeypatch.setitem(quantities._BY_NAME, name, changed)
    assert before ^ judged_by(result, name) == statistics


def test_an_entry_says_whether_its_mean_is_exact_and_its_number_may_lack(monkeypatch):
    pair = mcflow.Case("lecun_normal", "tanh", depth=3, width=16, batch=2)
    summary = {f"{name}_count": np.array([9, 9]) for name in quantities.NAMES}
    assert {item.quantity for item in missing(summary, 10, False)} == {q.name for q in quantities.ALL if not q.needs}
    forgiven = allowances.predict(pair, inputs_of(pair, 0)).of["gradient_correlation"].allowance
    even = quantities.get("gradient_correlation")
    monkeypatch.setitem(quantities._BY_NAME, even.name, replace(even, symmetric=False))
    allowances._predict.cache_clear()
    other = allowances.predict(pair, inputs_of(pair, 0)).of["gradient_correlation"].allowance
    allowances._predict.cache_clear()
    assert (forgiven == 0.0).all()
    assert (other > 0.0).all()


def backward_columns():
    """Columns of ``recorded.py`` that the backward pass fills."""
    return {value for name, value in vars(recorded).items() if name.startswith("D_") and name != "D_EXPONENT"}


def test_every_sum_makes_a_quantity_and_has_a_column_of_its_own():
    used = {column for quantity in quantities.ALL for column in quantity.sums}
    assert used == set(range(recorded.SUMS))
    others = {"SUMS", "EXPONENTS", "BINS", "REACH", "SATURATION"}
    names = [name for name in vars(recorded) if name.isupper() and not name.endswith("EXPONENT") and name not in others]
    assert sorted(getattr(recorded, name) for name in names) == list(range(recorded.SUMS))


def test_a_row_of_the_processor_is_the_sums_and_then_the_exponents():
    behind = [on_the_processor.H_EXPONENT, on_the_processor.X_EXPONENT]
    behind += [on_the_processor.D_EXPONENT, on_the_processor.IN_EXPONENT]
    places = [recorded.H_EXPONENT, recorded.X_EXPONENT, recorded.D_EXPONENT, recorded.IN_EXPONENT]
    assert behind == [recorded.SUMS + place for place in places]
    assert on_the_processor.RECORDED == recorded.SUMS + recorded.EXPONENTS


def test_bins_and_reach_are_those_of_both_devices():
    per_unit = (recorded.BINS - 2) / (2 * recorded.REACH)
    assert float(on_the_processor.BINS_PER_UNIT) == pytest.approx(per_unit, rel=1e-7)
    assert (quantities.HISTOGRAM_BINS, quantities.HISTOGRAM_REACH) == (recorded.BINS, recorded.REACH)
    code = (
        "from mcflow.kernels.cuda import sums; from mcflow.kernels import recorded\n"
        "print(float(sums.BINS_PER_UNIT), sums.BINS == recorded.BINS)"
    )
    command = [sys.executable, "-c", f"import os; os.environ['NUMBA_ENABLE_CUDASIM'] = '1'\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(float(np.float32(per_unit))), "True"]


def test_the_file_has_every_quantity_in_the_order_of_the_registry():
    assert [entry.name for entry in schema.ROWS] == list(quantities.NAMES)
    assert [entry.long_name for entry in schema.ROWS] == [quantity.long_name for quantity in quantities.ALL]


def test_rows_are_sums_over_what_the_registry_says():
    """Two networks, one layer of 4 units and 3 inputs each, of 5 entries; the numbers are counted by hand."""
    sums = np.arange(1.0, 1.0 + 2 * recorded.SUMS).reshape(recorded.SUMS, 2, 1)
    before, exponents = sums.copy(), np.zeros((recorded.EXPONENTS, 2, 1))
    exponents[recorded.X_EXPONENT] = 3
    counts = np.zeros((2, 1, recorded.BINS), np.int64)
    sizes = Sizes(np.array([12.0]), np.array([5]), 3, 3)
    rows = block_of(Recorded(7, sums, exponents, counts, sizes, range(recorded.SUMS), True)).rows
    assert list(rows) == list(quantities.NAMES)
    np.testing.assert_array_equal(rows["preactivation_second_moment"], before[recorded.H_TWO] / 12)
    np.testing.assert_array_equal(rows["activation_second_moment"], 64 * before[recorded.X_TWO] / 12)
    np.testing.assert_array_equal(rows["weight_gradient_second_moment"], before[recorded.D_PRODUCT] / 60)
    np.testing.assert_array_equal(rows["preactivation_correlation"], (before[recorded.H_COSINES] - 3) / 6)


def test_what_a_device_did_not_fill_or_was_not_asked_makes_no_row():
    few = quantities.given(1, False, [recorded.H_TWO, recorded.X_TWO, recorded.D_TWO])
    assert [quantity.name for quantity in few] == ["preactivation_second_moment", "activation_second_moment"]
    assert "preactivation_correlation" not in [q.name for q in quantities.given(1, True, range(recorded.SUMS))]


def test_two_quantities_of_one_sum_are_both_right(monkeypatch):
    twice = replace(quantities.get("activation_second_moment"), name="again", powers=quantities.NO_POWERS)
    monkeypatch.setattr(quantities, "ALL", (*quantities.ALL, twice))
    sums = np.ones((recorded.SUMS, 2, 1))
    sums[recorded.X_TWO] = 8.0
    sizes = Sizes(np.array([4.0]), np.array([4]), 1, 2)
    counts = np.zeros((2, 1, recorded.BINS), np.int64)
    made = block_of(Recorded(0, sums, np.zeros((4, 2, 1)), counts, sizes, range(recorded.SUMS), True)).rows
    assert made["again"].tolist() == made["activation_second_moment"].tolist() == [[2.0], [2.0]]
    assert made["participation_ratio"].tolist() == [[16.0], [16.0]]  # 8 * 8 / 1 / 4
