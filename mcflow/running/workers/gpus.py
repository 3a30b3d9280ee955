"""Several GPUs of this machine: an executor of one process for each, which sees no other device."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from mcflow.errors import InputError
from mcflow.running.workers.executor import Workers
from mcflow.sampling import devices


def device_for(numbers: str | None, requested: str) -> str:
    """The device that a run asks for: where GPUs are named by number, ``auto`` is the kind that has numbers."""
    if numbers is None or requested != devices.AUTO:
        return requested
    return next((device.name for device in devices.ALL if device.count is not None), requested)


def split(device: str, numbers: str | None) -> tuple[str, str | None]:
    """``cuda:0,1`` as the device and the numbers of its GPUs; InputError where these are given beside it too."""
    kind, colon, own = device.partition(":")
    if not colon:
        return device, numbers
    if numbers is not None:
        raise InputError(f"--device {device} and --gpus {numbers} both say which GPUs; give one of the two")
    return kind, own


@contextlib.contextmanager
def crew(numbers: str | None, device: str) -> Iterator[Workers | None]:
    """The workers of the GPUs ``0,1,...``; None where none were named.

    Raises InputError for numbers that this machine does not have, or a run that is not on GPUs.
    """
    if numbers is None:
        yield None
        return
    names = _visible(_parse(numbers, device))
    context = multiprocessing.get_context("spawn")  # a forked process cannot use the driver
    queue = context.Queue()
    for name in names:
        queue.put(name)
    with ProcessPoolExecutor(len(names), context, _take_one, (queue,)) as executor:
        try:
            yield Workers(executor, len(names))
        finally:
            executor.shutdown(cancel_futures=True)


def _parse(numbers: str, device: str) -> list[int]:
    seen = devices.get(device).count
    if seen is None:
        raise InputError(f"--gpus {numbers}: this run is on the {device}; give --device cuda")
    if not re.fullmatch(r"\d{1,3}(,\d{1,3})*", numbers):
        raise InputError(f"--gpus {numbers}: give numbers as nvidia-smi counts them, as in 0,1")
    chosen = [int(word) for word in numbers.split(",")]
    if len(set(chosen)) < len(chosen):
        raise InputError(f"--gpus {numbers}: name each GPU once")
    there = seen()
    if max(chosen) >= there:
        raise InputError(f"--gpus {numbers}: this process sees {there} GPUs, 0 to {there - 1}")
    return chosen


def _visible(numbers: list[int]) -> list[str]:
    """What CUDA_VISIBLE_DEVICES must be for each: the numbers count what is visible now."""
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return [visible[number] if number < len(visible) else str(number) for number in numbers]


def _take_one(queue: Any) -> None:
    """In a worker, before anything of CUDA is loaded: take a GPU. Ctrl-C is for the parent alone."""
    os.environ["CUDA_VISIBLE_DEVICES"] = queue.get()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
