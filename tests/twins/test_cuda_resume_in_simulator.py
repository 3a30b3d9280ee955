"""Killed on a GPU and resumed, in Numba's simulator: what tests/gpu/test_cuda_resume.py asks of a real one."""

import killed
import pytest

SIMULATED = {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONWARNINGS": "ignore"}
STUDY = ("--scheme", "kaiming_normal", "--activation", "tanh", "--depth", "1", "--width", "4", "--batch", "1")
STUDY = (*STUDY, "--inputs", "gaussian", "--networks", "16")


@pytest.mark.parametrize(
    ("promised", "method"),
    [
        (killed.each_network_is_of_its_device, "direct"),
        pytest.param(killed.resumed_is_whole, "collapsed", marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed_the_bits_are_as_promised(tmp_path, promised, method):
    promised(tmp_path, [*STUDY, "--method", method], part=4, environment=SIMULATED)
