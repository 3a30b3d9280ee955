"""Runs on a GPU that are killed with -9 and resumed, and whose bits are compared: a real one, or the simulator."""

import os
import signal
import subprocess
import time

import numpy as np
from conftest import assert_same_bits, command_line, datasets

PATIENCE = 300  # seconds for a run, with kernels to compile


def _run(folder, study, part, environment, *more):
    arguments = command_line("run", *study, "--quiet", *more, part=part)
    environment = dict(os.environ, **environment or {})
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def _kill(folder, study, part, environment, name):
    """Begin a run on the GPU and kill it once it has written parts and has more to write."""
    arguments = command_line("run", *study, "--quiet", "--device", "cuda", "-o", name, part=part)
    process = subprocess.Popen(
        arguments, cwd=folder, env=dict(os.environ, **environment or {}), stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + PATIENCE
    while len(list((folder / f"{name}.parts").glob("case*"))) < 2:
        assert process.poll() is None, f"it ended before it was killed: {process.communicate()[1][-2000:]}"
        assert time.monotonic() < end, "no part was written"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (folder / name).exists(), "it was through before it was killed"


def resumed_is_whole(folder, study, part, environment=None):
    """Killed and resumed on the GPU: no bit differs from a run that was not."""
    _run(folder, study, part, environment, "--device", "cuda", "-o", "whole.h5")
    _kill(folder, study, part, environment, "killed.h5")
    _run(folder, study, part, environment, "--device", "cuda", "-o", "killed.h5", "--resume")
    assert_same_bits(folder / "killed.h5", folder / "whole.h5")


def each_network_is_of_its_device(folder, study, part, environment=None):
    """Killed on the GPU and resumed on the processor: each network's row is, to the bit, that of the device it was on.

    The first parts are the GPU's and the rest the processor's; the file names both.
    """
    import h5py

    for device in ("cuda", "cpu"):
        _run(folder, study, part, environment, "--device", device, "-o", f"{device}.h5")
    _kill(folder, study, part, environment, "mixed.h5")
    _run(folder, study, part, environment, "--device", "cpu", "-o", "mixed.h5", "--resume")
    of_gpu, of_cpu, mixed = (datasets(folder / f"{name}.h5") for name in ("cuda", "cpu", "mixed"))
    rows = [name for name, values in of_cpu.items() if name.endswith("second_moment") and values.ndim == 2]
    assert len(rows) >= 4
    there = np.stack([[_same(mixed[name], of[name]) for name in rows] for of in (of_gpu, of_cpu)]).all(axis=1)
    assert there.any(axis=0).all(), "a network is neither device's"
    first = int(np.argmin(there[0]))  # the first network that is not the GPU's
    assert 0 < first < len(there[0])
    assert there[1, first:].all()
    with h5py.File(folder / "mixed.h5") as file:
        assert file.attrs["device"] == "cuda, cpu"


def _same(one, other):
    """(network,) whether all layers agree to the bit."""
    return (one.view(np.uint64) == other.view(np.uint64)).all(axis=1)
