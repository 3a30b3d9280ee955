"""verify cries wolf as rarely as it says, and sees a gain that is wrong by one per cent."""

from dataclasses import replace

import numpy as np
import pytest
import xarray

from mcflow import Case, Study, run, verify
from mcflow.answers.verdicts import Verification
from mcflow.statistics import summaries

ALPHA = 0.01
SETS = 20  # studies of each case
MOST_ALARMS = 17  # of 800: more has a probability of 0.002 at ALPHA
MOST_OF_ONE = 2  # of SETS of one case: more has a probability of 0.001


class Mislabelled:
    """What verify asks of a result, of networks that may be drawn for another case than they are judged as."""

    path = None  # in memory

    def __init__(self, case: Case, inputs: np.ndarray, rows: dict[str, np.ndarray]) -> None:
        self.names = Study([case]).names
        self._case, self._inputs, self._rows = case, inputs, rows
        self.networks_done = {name: len(next(iter(rows.values()))) for name in self.names}

    def case(self, name: str) -> Case:
        return self._case

    def inputs(self, name: str) -> np.ndarray:
        return self._inputs

    def __getitem__(self, name: str) -> xarray.Dataset:
        out = {quantity: (("network", "layer"), rows) for quantity, rows in self._rows.items()}
        for quantity, rows in self._rows.items():
            described = summaries.describe(summaries.accumulate(rows, sketched=False))
            out |= {f"{quantity}_{statistic}": ("layer", values) for statistic, values in described.items()}
        done = len(next(iter(self._rows.values())))
        return xarray.Dataset(out, attrs={"networks_done": done})


def drawn(case: Case, networks: int, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The inputs of a case and its (network, layer) rows by quantity."""
    with run(Study([case], networks=networks, seed=seed), threads=1) as result:
        dataset = result[result.names[0]]
        rows = {str(name): values.values for name, values in dataset.items() if values.dims == ("network", "layer")}
        return result.inputs(result.names[0]), rows


def alarms(case: Case, networks: int, sets: int, seed: int = 0) -> list[str]:
    """The sentences of those of ``sets`` disjoint studies that verify finds inconsistent with the law they follow."""
    inputs, rows = drawn(case, networks * sets, seed)
    found = []
    for first in range(0, networks * sets, networks):
        mine = {quantity: values[first : first + networks] for quantity, values in rows.items()}
        judged = verify(Mislabelled(case, inputs, mine), alpha=ALPHA)
        if not judged.all_consistent:
            found.append(f"networks from {first}: {judged.verdicts[0].sentence}")
    return found


def judged_against(case: Case, other: Case, networks: int) -> Verification:
    """Networks of one case, judged by the prediction of another."""
    inputs, rows = drawn(case, networks)
    return verify(Mislabelled(other, inputs, rows), alpha=ALPHA)


def study(scheme: str, activation: str, depth: int, width: int, networks: int, batch: int = 1) -> tuple[Case, int]:
    return Case(scheme, activation, depth=depth, width=width, batch=batch), networks


# depth over width from 0.1 to 30, heavy tails first; every built-in activation, every family of schemes
CASES = [
    study("kaiming_normal", "silu", 20, 64, 100),
    study("kaiming_normal", "leaky_relu:0.2", 20, 2, 1000),
    study("kaiming_normal", "relu", 60, 2, 1000),
    study("kaiming_normal", "prelu", 10, 100, 1000),
    study("kaiming_normal", "gelu", 20, 64, 100),
    study("kaiming_normal", "gelu", 20, 64, 1000),
    study("kaiming_normal", "gelu_tanh", 24, 16, 300),
    study("kaiming_normal", "mish", 20, 64, 200),
    study("kaiming_normal", "hardswish", 20, 32, 400),
    study("kaiming_uniform", "silu", 20, 32, 300),
    study("kaiming_uniform", "gelu", 12, 32, 1000),
    study("kaiming_normal", "silu", 40, 8, 1000, 2),
    study("kaiming_normal", "gelu", 30, 16, 200, 8),
    study("kaiming_normal", "mish", 12, 24, 1000, 4),
    study("kaiming_uniform", "hardswish", 12, 24, 400, 2),
    study("orthogonal", "silu", 20, 32, 200),
    study("kaiming_truncated_normal", "gelu", 10, 32, 300),
    study("kaiming_normal", "relu", 20, 64, 100),
    study("kaiming_normal", "relu", 10, 4, 10_000),
    study("kaiming_normal", "relu", 3, 30, 10_000),
    study("kaiming_normal", "relu", 8, 64, 200, 8),
    study("orthogonal", "relu", 20, 20, 300),
    study("torch_default", "relu", 6, 32, 500),
    study("xavier_normal", "identity", 30, 3, 2000),
    study("xavier_normal", "identity", 4, 40, 100),
    study("kaiming_normal", "leaky_relu", 10, 32, 300, 2),
    study("xavier_normal", "tanh", 20, 16, 300),
    study("xavier_normal", "tanh", 30, 8, 2000),
    study("xavier_uniform", "tanh", 10, 20, 500),
    study("orthogonal", "tanh", 10, 16, 500, 4),
    study("rademacher", "tanh", 8, 24, 500),
    study("keras_default", "tanh", 6, 32, 300, 2),
    study("lecun_normal", "selu", 50, 16, 500),
    study("lecun_normal", "selu", 30, 8, 1000, 4),
    study("kaiming_normal", "elu", 20, 10, 1000),
    study("kaiming_normal", "celu", 10, 40, 300, 8),
    study("xavier_normal", "sigmoid", 8, 30, 200),
    study("xavier_normal", "softsign", 10, 20, 500),
    study("xavier_normal", "hardtanh", 10, 20, 500),
    study("kaiming_normal", "hardsigmoid", 6, 20, 300),
    study("kaiming_normal", "softplus", 6, 30, 200),
    study("kaiming_normal", "relu6", 20, 20, 500),
    study("xavier_normal", "erf", 12, 12, 500, 2),
    study("lecun_normal", "sin", 10, 20, 400),
    study("lecun_normal", "squared_relu", 4, 32, 300),
    study("lecun_uniform", "silu", 5, 50, 200, 4),
]


@pytest.mark.slow
def test_consistent_studies_of_every_kind_raise_no_more_alarms_than_alpha_allows():
    found = {}
    for case, networks in CASES:
        found[case, networks] = alarms(case, networks, SETS)
        print(
            case.scheme,
            case.activation,
            case.depth,
            case.widths[0],
            networks,
            len(found[case, networks]),
            "alarms",
            flush=True,
        )
    total, studies = sum(map(len, found.values())), SETS * len(CASES)
    print(f"{total} alarms in {studies} studies at alpha {ALPHA}")
    assert max(map(len, found.values())) <= MOST_OF_ONE, found
    assert total <= MOST_ALARMS * studies / 800, found


# of every kind the cheapest: exact moments at any depth over width, first order, and an unstable fixed point
CHEAP = [2, 9, 16, 17, 20, 21, 22, 23, 24, 28, 30, 31]


@pytest.mark.parametrize("number", CHEAP)
def test_consistent_studies_raise_no_alarm(number):
    case, networks = CASES[number]
    assert not alarms(case, networks, 3)


@pytest.mark.slow
def test_two_hundred_consistent_studies_raise_no_more_than_six_alarms():
    found = alarms(Case("kaiming_normal", "relu", depth=6, width=24), 300, 200)
    print(f"{len(found)} alarms in 200 studies at alpha {ALPHA}")
    assert len(found) <= 6, found


ORDINARY = [
    study("kaiming_normal", "relu", 10, 64, 1000),
    study("kaiming_uniform", "relu", 10, 64, 2000),
    study("xavier_normal", "tanh", 4, 64, 2000),
    study("lecun_normal", "selu", 10, 64, 2000),
    study("kaiming_normal", "gelu", 4, 64, 2000),
]


@pytest.mark.parametrize("number", range(len(ORDINARY)))
def test_gain_wrong_by_two_per_cent_is_caught_in_ordinary_cases(number):
    case, networks = ORDINARY[number]
    wrong = replace(case, gain=1.02 * case.numeric_gain)
    assert not judged_against(wrong, case, networks).all_consistent


def test_means_that_undrawn_networks_rule_are_not_judged_by_themselves():
    """SiLU under Kaiming goes to 0 but for a few networks: of 100, most draw none of those that make the mean."""
    case = Case("kaiming_normal", "silu", depth=20, width=64)
    inputs, rows = drawn(case, 1200)
    for first in range(0, 1200, 100):
        mine = {quantity: values[first : first + 100] for quantity, values in rows.items()}
        found = verify(Mislabelled(case, inputs, mine), alpha=ALPHA)
        assert found.all_consistent, found.verdicts[0].sentence
        means = [row for row in found.tests if row.statistic == "mean" and row.layer > 12]
        assert not any(row.judged for row in means if row.quantity.startswith(("activation_mean", "activation_second")))
    row = next(row for row in found.tests if (row.quantity, row.layer) == ("activation_second_moment", 12))
    assert row.effective_networks < 2.0  # theory's spread is 9 times the mean, whatever was drawn


@pytest.mark.parametrize(("width", "networks"), [(2, 4000), (3, 1000)])
def test_a_mean_follows_the_second_moment_that_few_networks_carry(width, networks):
    case = Case("kaiming_normal", "leaky_relu:0.2", depth=60, width=width)
    with run(Study([case], networks=networks, seed=3, keep="summary"), threads=1) as result:
        found = verify(result)
    assert found.all_consistent, found.verdicts[0].sentence
    assert sum(row.judged for row in found.tests if row.statistic == "log_mean") == 4 * 60


def test_consistent_tanh_and_leaky_relu_raise_no_alarm():
    for case in (Case("xavier_normal", "tanh", depth=8, width=32), Case("kaiming_normal", "leaky_relu:0.2", depth=8)):
        assert not alarms(case, 300, 5), case


def test_gain_wrong_by_one_per_cent_is_caught():
    case = Case("kaiming_normal", "relu", depth=50, width=256)
    wrong = replace(case, gain=1.01 * case.numeric_gain)
    found = judged_against(wrong, case, 10_000)
    assert not found.all_consistent
    clearest = max(abs(row.z) for row in found.tests if row.rejected and row.z is not None)
    assert clearest > 50.0


def test_gain_wrong_by_a_tenth_of_a_per_cent_needs_the_networks_that_verify_names():
    case = Case("kaiming_normal", "relu", depth=50, width=64)
    with run(Study([case], networks=500), method="collapsed") as result:
        needed = verify(result).verdicts[0].networks_for_gain[0.001]
    assert 5_000 < needed < 30_000
    wrong = replace(case, gain=1.001 * case.numeric_gain)
    assert not judged_against(wrong, case, int(2 * needed)).all_consistent
