"""CUDA kernels in Numba's simulator: it is chosen when Numba is imported, so it has a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("what", ["cuda", "cuda_one_input", "cuda_tensor", "cuda_fold"])
def test_cuda_kernels_in_the_simulator(what):
    cases = Path(__file__).with_name(f"{what}_in_simulator.py")
    # the simulator's threads raise NumPy's warnings where the device overflows silently
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", str(cases)]
    environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is not None, reason="numba-cuda is installed")
def test_without_numba_cuda_the_kernels_say_what_brings_it():
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"}
    command = [sys.executable, "-c", "import mcflow.kernels.cuda.bodies"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.stderr.splitlines()[-1].startswith("ImportError: the GPU's kernels need numba-cuda")
