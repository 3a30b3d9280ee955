"""Dask as an executor: the workers of a scheduler, or a cluster of processes on this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import multiprocessing.resource_tracker
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any

from mcflow.errors import InputError
from mcflow.running.workers.executor import Workers

_PATIENCE = 8  # seconds for a scheduler to answer


@contextlib.contextmanager
def crew(where: str | None, threads: int | None, say: Callable[[str], None]) -> Iterator[Workers | None]:
    """The workers at ``where``: an address such as tcp://host:8786, or ``local:N``; None where none was asked for.

    Raises InputError where Dask is not installed or nothing answers there.
    """
    if where is None:
        yield None
        return
    if importlib.util.find_spec("distributed") is None:
        raise InputError("--dask needs Dask; pip install 'mcflow[dask]'")
    local = re.fullmatch(r"local:(\d{1,4})", where)
    if where.startswith("local") and (local is None or int(local[1]) == 0):
        raise InputError(f"--dask {where}: give local:N with N processes, as in local:4, or a scheduler's address")
    with contextlib.ExitStack() as stack:
        for name in ("distributed", "tornado", "asyncio"):  # lost workers are our sentence, not twenty lines
            _quiet(stack, name)
        if local is not None:
            client = _connect(stack, _local_cluster(stack, int(local[1]), threads or 1))
            threads = threads or 1
        else:
            client = _connect(stack, where)
        if not client.scheduler_info(n_workers=-1)["workers"]:
            say(f"the scheduler at {where} has no workers yet; waiting for them")
        yield workers(client.get_executor(pure=False), client, threads)


def workers(executor: Executor, client: Any, threads: int | None = None) -> Workers:
    """The executor of a client with the number of its workers; each part may use all threads of one."""
    known = client.scheduler_info(n_workers=-1)["workers"].values()
    sizes = [int(worker["nthreads"]) for worker in known] or [1]
    return Workers(executor, sum(sizes), threads or min(sizes))


def _local_cluster(stack: contextlib.ExitStack, count: int, threads: int) -> Any:
    from distributed import LocalCluster

    # The threads that start workers inherit the mask, and workers from them: Ctrl-C is for this process alone.
    # Starting the resource tracker would unblock the signal, so that it is started first.
    multiprocessing.resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        cluster = LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
            env={"NUMBA_NUM_THREADS": str(threads)},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return stack.enter_context(cluster)


def _connect(stack: contextlib.ExitStack, where: Any) -> Any:
    from distributed import Client

    try:
        return stack.enter_context(Client(where, timeout=_PATIENCE))
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"--dask {where}: no Dask scheduler answers there ({reason}); give an address such as tcp://host:8786"
        ) from None


def _quiet(stack: contextlib.ExitStack, name: str) -> None:
    logger = logging.getLogger(name)
    stack.callback(logger.setLevel, logger.level)
    logger.setLevel(logging.CRITICAL + 1)
