"""How long theory takes: a full prediction, the exact law to a stated accuracy, the answer to ``--help``.

    python tests/benchmarks/predictions.py [--repeats 5]

Prints medians beside their goals. Inputs differ from repeat to repeat where there are several, and what theory
remembers between calls is forgotten first, so that every repeat does the whole work.
"""

from __future__ import annotations

import argparse
import functools
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import timing

from mcflow import theory
from mcflow.model.case import Case


def forget() -> None:
    """Clear every memory of a function of theory."""
    for thing in gc.get_objects():
        if isinstance(thing, functools._lru_cache_wrapper) and (thing.__module__ or "").startswith("mcflow.theory"):
            thing.cache_clear()


def report(what: str, goal: float, repeats: int, work: Callable[[int], object]) -> None:
    seconds = []
    for trial in range(repeats):
        forget()
        began = time.perf_counter()
        work(trial)
        seconds.append(time.perf_counter() - began)
    print(f"  {what:58s} {statistics.median(seconds):7.3f} s  (goal {goal:g} s)", flush=True)


def of_batch(activation: str, batch: int, trial: int) -> None:
    inputs = np.random.default_rng(trial).normal(size=(batch, 64))
    inputs /= np.sqrt(np.mean(inputs**2, axis=1, keepdims=True))
    case = Case("lecun_normal", activation, depth=100, width=256, features=64, batch=batch)
    theory.predict(case, inputs, tier="first-order")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=5)
    repeats = options.parse_args().repeats
    print(timing.machine("numpy", "scipy"))
    theory.predict(Case("lecun_normal", "tanh", depth=2, width=8))  # what is imported on first use
    print("depth 100, width 256, every tier")
    for activation in ("relu", "tanh", "gelu"):
        case = Case("xavier_uniform", activation, depth=100, width=256)
        report(f"{activation}, 1 input, uniform weights", 0.3, repeats, lambda _, case=case: theory.predict(case))
    print("depth 100, width 256, first order")
    for batch, goal in ((2, 0.3), (8, 1.0)):
        for activation in ("relu", "tanh", "elu"):
            report(
                f"{activation}, {batch} inputs, Gaussian weights",
                goal,
                repeats,
                lambda trial, a=activation, b=batch: of_batch(a, b, trial),
            )
    print("exact law")
    deep = Case("lecun_normal", "tanh", depth=50, width=64)
    report("tanh, depth 50, width 64", 5.0, repeats, lambda _: theory.predict(deep, tier="exact-law"))
    print("command")
    command = [sys.executable, "-m", "mcflow", "--help"]
    report("--help", 0.4, repeats, lambda _: subprocess.run(command, capture_output=True, check=True))


if __name__ == "__main__":
    main()
