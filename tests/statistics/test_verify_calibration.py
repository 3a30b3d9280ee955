"""verify cries wolf as rarely as it says, and sees a gain that is wrong by one per cent."""

from dataclasses import replace

import pytest

from mcflow import Case, Study, run, verify
from mcflow.verify import Verification

ALPHA = 0.01


def alarms(case: Case, networks: int, seeds: range) -> list[int]:
    """The seeds for which verify finds a case inconsistent that is drawn exactly as theory has it."""
    found = []
    for seed in seeds:
        with run(Study([case], networks=networks, seed=seed), method="collapsed", threads=1) as result:
            if not verify(result, alpha=ALPHA).all_consistent:
                found.append(seed)
    return found


def judged_against(case: Case, other: Case, networks: int) -> Verification:
    """Networks of one case, judged by the prediction of another."""
    from mcflow.results import Result

    class Mislabelled(Result):
        def case(self, name: str) -> Case:
            return other

    with run(Study([case], networks=networks), method="collapsed") as result:
        result.__class__ = Mislabelled
        return verify(result, alpha=ALPHA)


@pytest.mark.slow
def test_two_hundred_consistent_studies_raise_no_more_than_six_alarms():
    case = Case("kaiming_normal", "relu", depth=6, width=24)
    found = alarms(case, 300, range(200))
    print(f"{len(found)} alarms in 200 studies at alpha {ALPHA}")
    assert len(found) <= 6, f"seeds {found}"


def test_consistent_tanh_and_leaky_relu_raise_no_alarm():
    for case in (Case("xavier_normal", "tanh", depth=8, width=32), Case("kaiming_normal", "leaky_relu:0.2", depth=8)):
        assert not alarms(case, 300, range(5)), case


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
