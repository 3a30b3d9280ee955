"""On a real GPU: killed with -9 and resumed, there or on the processor, with the bits that are promised."""

import killed
import pytest
from test_cuda_device import pytestmark  # noqa: F401  (the mark and the skip, for this file too)

from mcflow import Case, plan
from mcflow.model.study import Study

STUDY = ("--scheme", "kaiming_normal", "--activation", "relu", "--depth", "20", "--width", "128", "--batch", "2")
STUDY = (*STUDY, "--inputs", "gaussian", "--networks", "4000")


@pytest.mark.parametrize("method", ["direct", "collapsed"])
def test_killed_and_resumed_on_the_gpu_every_bit_is_as_in_one_run(tmp_path, method):
    killed.resumed_is_whole(tmp_path, [*STUDY, "--method", method], part=16)


@pytest.mark.parametrize("method", ["direct", "collapsed"])
def test_begun_on_the_gpu_and_resumed_on_the_processor_each_network_has_the_bits_of_its_device(tmp_path, method):
    killed.each_network_is_of_its_device(tmp_path, [*STUDY, "--method", method], part=16)


def test_auto_takes_the_gpu_for_a_large_study_and_the_processor_for_a_small_one():
    case = Case("kaiming_normal", "relu", depth=50, width=512)
    small, large = (plan.prepare(Study(case, networks=networks)) for networks in (100, 10**8))
    assert (small.device, large.device, large.device_reason) == ("cpu", "cuda", "")
    assert small.device_reason.startswith("the study is small: ")
