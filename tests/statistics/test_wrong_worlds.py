"""verify finds the faults that a simulator can have, in two cases: ReLU with one input, tanh with biases and two."""

import pytest
from wrong_worlds import WORLDS, right

from mcflow import Case

WIDTHS = (40, 56, 48, 48, 48, 40)
CASES = {
    "relu": Case("kaiming_normal", "relu", width=WIDTHS, features=32),
    "tanh": Case("lecun_normal", "tanh", width=WIDTHS, features=32, bias_std=0.3, batch=2, correlation=0.5),
}
# What leaves no mark in these rows, or one under the noise of 8 000 networks.
UNSEEN = {
    ("relu", "cosine wrong by 0.05 in one layer"): "one input has no cosine",
    (
        "relu",
        "backward with weights of its own",
    ): "every row has the same law: only products of rows differ, by 1/n",
    ("tanh", "two layers with the same weights"): "of second order in 1/n",
}
QUICK = [
    ("relu", "0.5 % dead networks"),
    ("tanh", "cosine wrong by 0.05 in one layer"),
    ("tanh", "every network twice"),
]


def caught(case: str, kind: str, networks: int) -> bool:
    return not WORLDS[kind](CASES[case], networks, 7).judged().all_consistent


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_right_world_is_consistent(case):
    assert right(CASES[case], 2000, 7).judged().all_consistent


@pytest.mark.parametrize(("case", "kind"), QUICK)
def test_a_wrong_world_is_found_with_two_thousand_networks(case, kind):
    assert caught(case, kind, 2000)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", WORLDS)
def test_a_wrong_world_is_found_where_it_leaves_a_mark(case, kind):
    assert caught(case, kind, 8000) or (case, kind) in UNSEEN
