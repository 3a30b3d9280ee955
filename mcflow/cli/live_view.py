"""Rendering a study while it runs: progress, rate, and the current flow of each case as a sparkline."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Group
from rich.live import Live

from mcflow.answers.signal import BACKWARD, FORWARD
from mcflow.cli import tables
from mcflow.cli.sheet import Column, Sheet
from mcflow.errors import InputError
from mcflow.files import live as watching
from mcflow.plural import counted

if TYPE_CHECKING:
    from mcflow.files.live import Running

_EVERY = 1.0  # seconds between two looks
_BLOCKS = "▁▂▃▄▅▆▇█"
_COLUMNS = 20


def follow(path: Path, folder: Path) -> None:
    """Render until the study ends or its writer has gone; then say which. InputError where there is nothing."""
    running = watching.look(folder)
    if running is None:
        if not path.is_file():
            raise InputError(f"there is no study at {path}, running or finished")
        print(f"{path} is finished; mcflow show {path} says what is in it")
        return
    flows = {quantity: watching.Flowing(folder, quantity) for quantity in (FORWARD, BACKWARD)}
    began, before = time.monotonic(), sum(running.networks_done.values())
    terminal = sys.stdout.isatty()
    out = tables.console()
    with Live(console=out, auto_refresh=False, transient=False) as live:
        while running is not None:
            done = sum(running.networks_done.values())
            rate = (done - before) / max(1e-9, time.monotonic() - began)
            live.update(Group(*render(running, flows, rate).fitted(out, out.width)), refresh=terminal)
            if running.writer is None:
                break
            time.sleep(_EVERY)
            running = watching.look(folder)
    if running is not None:
        print(f"no process writes {path}; mcflow run with --resume continues it")
    else:
        print(f"{path} is finished" if path.is_file() else f"the parts of {path} have gone")


def render(running: Running, flows: dict[str, Any], rate: float) -> Sheet:
    """The table of one look; ``rate`` is in networks per second."""
    done = sum(running.networks_done.values())
    total = running.networks * len(running.networks_done)
    title = f"{done} of {counted(total, 'network')}, {rate:.3g}/s"
    ranks = {"case": 0, "networks": 1, "log10 activations": 0, "log10 gradients": 0}
    table = Sheet(title, [Column(head, words=True, rank=rank) for head, rank in ranks.items()])
    for number, (name, networks) in enumerate(running.networks_done.items()):
        cells = [sparkline(flow.log10_means(number)) for flow in flows.values()]
        table.add(name, f"{networks} / {running.networks}", *cells)
    return table


def sparkline(logs: np.ndarray[Any, np.dtype[np.float64]] | None) -> str:
    """Decimal logarithms of second moments over the layers: a block a layer (or few), then the two ends."""
    if logs is None:
        return ""
    shown = logs[np.linspace(0, len(logs) - 1, min(len(logs), _COLUMNS)).round().astype(int)]
    finite = shown[np.isfinite(shown)]
    if not len(finite):
        return "0"
    low, span = float(finite.min()), max(1.0, float(np.ptp(finite)))  # under a decade is flat, and looks so
    blocks = ""
    for value in shown:
        level = (value - low) / span if np.isfinite(value) else 0.0
        blocks += _BLOCKS[min(len(_BLOCKS) - 1, int(level * len(_BLOCKS)))] if np.isfinite(value) else " "
    return f"{blocks} {logs[0]:+.1f} .. {logs[-1]:+.1f}"
