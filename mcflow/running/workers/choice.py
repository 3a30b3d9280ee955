"""The crew for what a user gave: the workers of an executor, of Dask or another."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor

from mcflow import machine
from mcflow.errors import InputError
from mcflow.running.workers import dask
from mcflow.running.workers.executor import Workers


def workers_of(executor: object, threads: int | None = None) -> Workers:
    """The workers of an executor, ``threads`` for each part; InputError where it is none."""
    if not isinstance(executor, Executor):
        raise InputError(
            f"executor is a {type(executor).__name__}, not a concurrent.futures.Executor; "
            "of a Dask client give client.get_executor()"
        )
    if hasattr(executor, "_client"):  # of Dask, which knows its workers and their threads
        return dask.workers(executor, executor._client, threads)
    known = [getattr(executor, name, None) for name in ("_max_workers", "num_workers")]
    count = next((number for number in known if isinstance(number, int) and number > 0), machine.cores())
    # threads share their process, where one part is computed at a time: it gets them all
    shared = min(count, machine.cores()) if isinstance(executor, ThreadPoolExecutor) else 1
    return Workers(executor, count, threads or shared)
