"""One collapsed input in registers, in Numba's simulator: the processor's networks, and which of them are left.

Run by test_cuda_simulator.py.
"""

import numpy as np
import pytest
from cuda_in_simulator import COLLAPSED, SAME, assert_twins, case_of, on_cuda, on_processor


@pytest.fixture
def left(monkeypatch):
    """How many networks of each launch their first kernel has left to the one that takes any."""
    from mcflow.kernels.cuda import launch

    found, real = [], launch._RowLane._read

    def noted(lane):
        found.append(int(lane.held_left[: lane.networks].sum()))
        real(lane)

    monkeypatch.setattr(launch._RowLane, "_read", noted)
    return found


@pytest.mark.parametrize(
    ("scheme", "activation", "fields"),
    [
        ("lecun_normal", "tanh", {"bias_std": 0.3, "width": [13, 7, 5, 9]}),  # groups that are not full
        ("lecun_normal", "gelu", {"width": [16, 16, 16]}),  # full ones alone
        ("lecun_normal", "sigmoid", {"gain": 2.0}),
        ("normal:1e-9", "relu", {"width": [6] * 6}),
        ("normal:1e9", "squared_relu", {"width": [6] * 6}),
        ("lecun_normal", "tanh", {"gain": 0.01, "width": [6] * 6}),  # of slope one far below 2^-33
        ("kaiming_normal", "relu", {"width": [2] * 12}),  # some die
    ],
)
def test_most_networks_of_one_input_stay_in_registers_and_are_the_processors(scheme, activation, fields, left):
    assert_twins(case_of(scheme, activation, **fields), count=2, **COLLAPSED)
    assert left == [0]


@pytest.mark.parametrize(
    ("scheme", "activation", "gain"),
    [
        ("normal:1e-20", "tanh", 1.0),  # nearly zero
        ("normal:1e12", "gelu", 1.0),  # far out
        ("lecun_normal", "sin", 1e5),  # angles that float32 does not tell apart
    ],
)
def test_networks_that_ask_for_range_are_left_and_are_the_processors(scheme, activation, gain, left):
    from networks import assert_same_rows

    case = case_of(
        scheme, activation, **({} if gain == 1.0 else {"gain": gain}), width=[3] if activation == "sin" else [6, 5, 4]
    )
    rows, truth = (made(case, count=3, **COLLAPSED).rows for made in (on_cuda, on_processor))
    assert left == [3]
    tolerance = 5e-2 if activation == "sin" else SAME  # the rounding of an angle is all there is of it a layer later
    for i in range(3):
        mine, its = ({name: row[i] for name, row in of.items()} for of in (rows, truth))
        assert_same_rows(mine, its, np.array(case.widths), tolerance)


@pytest.mark.parametrize("activation", ["sigmoid", "slope by difference"])
def test_a_network_that_is_left_is_counted_once(activation, left):
    """In the pass forward, where a layer of one unit is saturated; or in the pass back, where that is all it says."""
    import math

    from networks import plan_of

    from mcflow.activations import registry

    if activation != "sigmoid":
        registry.register(activation, lambda x: math.tanh(x))
    case = case_of("lecun_normal", activation, gain=12.0, width=[4, 1, 4])
    mine, truth = (made(case, count=8, plan=plan_of(case, 20), **COLLAPSED) for made in (on_cuda, on_processor))
    assert 0 < left[0] < 8
    for counts, expected in (
        (mine.preactivation_counts, truth.preactivation_counts),
        (mine.gradient_counts, truth.gradient_counts),
    ):
        assert counts.sum(axis=-1).tolist() == [8 * n for n in case.widths]
        assert np.abs(counts - expected).sum() <= 4


def test_a_network_of_one_input_has_the_same_bits_in_any_launch(left):
    case = case_of("lecun_normal", "sigmoid", gain=12.0, width=[4, 1, 4])
    whole = on_cuda(case, first=0, count=6, **COLLAPSED)
    for start, count in ((0, 1), (1, 3), (4, 2)):
        part = on_cuda(case, first=start, count=count, **COLLAPSED)
        for name, rows in part.rows.items():
            assert rows.tobytes() == np.ascontiguousarray(whole.rows[name][start : start + count]).tobytes(), name
