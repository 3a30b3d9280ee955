"""CUDA kernels in Numba's simulator: it is chosen when Numba is imported, so it has a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


def test_cuda_kernels_in_the_simulator():
    cases = Path(__file__).with_name("cuda_in_simulator.py")
    # the simulator's threads raise NumPy's warnings where the device overflows silently
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", str(cases)]
    environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
