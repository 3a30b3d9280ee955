"""``mcflow bench``: this machine's speed beside its ceilings."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

EXAMPLE = """\b
Example:
  mcflow bench --width 512 --depth 50"""


@click.command("bench", epilog=EXAMPLE)
@click.option("--width", type=click.IntRange(4, 16384), default=512, show_default=True, help="Width of every layer.")
@click.option("--depth", type=click.IntRange(1, 1000), default=50, show_default=True, help="Number of layers.")
@click.option("--threads", type=int, help="Threads beside one [default: all that this process may use].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(width: int, depth: int, threads: int | None, as_json: bool) -> None:
    """Measure networks, layers and weights a second of both methods, the share of this machine's ceilings, and of runs.

    The second table has whole runs into a file, on the processor and, where there is one, on the GPU: each further
    network a second, beside the kernels alone.
    """
    from mcflow.running import whole_runs
    from mcflow.sampling import devices, speed

    result = speed.measure(width, depth, threads)
    there = [device.name for device in reversed(devices.ALL) if not (device.quick_reason() or device.reason())]
    runs = [found for device in there for found in whole_runs.measure(width, depth, threads, device)]
    result["whole_runs"] = [asdict(found) for found in runs]
    if as_json:
        click.echo(json.dumps(result))
    else:
        _print(result)


def _whole_runs(runs: list[dict[str, Any]]) -> Any:
    from mcflow.cli.sheet import Column, Sheet

    words = [Column(name, words=True) for name in ("case", "keep", "device")]
    numbers = [Column("threads"), Column("kernels/s", rank=1), Column("whole run/s"), Column("share")]
    table = Sheet("Whole runs into a file, beside their kernels", [*words, *numbers])
    for found in runs:
        rates = (found[f"{name}_per_second"] for name in ("kernels", "networks"))
        table.add(
            found["what"],
            found["keep"],
            found["device"],
            str(found["threads"]),
            *(f"{value:.3g}" for value in rates),
            f"{100 * found['share']:.0f} %",
        )
    return table


def _print(result: dict[str, Any]) -> None:
    from mcflow.cli import sheet, tables
    from mcflow.cli.sheet import Column, Sheet

    ranks = {"threads": 0, "networks/s": 0, "layers/s": 2, "weights/s": 1, "normals": 3, "sgemm": 4}
    heads = [Column("case", words=True), *(Column(name, rank=rank) for name, rank in ranks.items())]
    table = Sheet(f"ReLU, forward and backward, width {result['width']}, depth {result['depth']}", heads)
    for rate in result["rates"]:
        rates = (rate[f"{name}_per_second"] for name in ("networks", "layers", "weights"))
        shares = (rate["share_of_normals"], rate["share_of_sgemm"])
        table.add(
            rate["what"],
            str(rate["threads"]),
            *(f"{value:.3g}" for value in rates),
            *("" if share is None else f"{100 * share:.0f} %" for share in shares),
        )
    console = tables.console()
    sheet.show(console, table)
    sheet.show(console, _whole_runs(result["whole_runs"]))
    ceilings = result["ceilings"]
    best = [ceilings[f"{name}_per_second"] / 1e9 for name in ("words", "normals", "uniforms")]
    console.print(
        "Ceilings of one core: Philox {:.2f}e9 words/s, normals {:.2f}e9/s, uniforms {:.2f}e9/s, ".format(*best)
        + f"sgemm {ceilings['sgemm_flops'] / 1e9:.0f} GFLOP/s."
    )
    console.print("The last two columns: what the work would take at that ceiling alone, over what it took.")
    console.print("A collapsed network or a chain makes no weights: theirs are those that they stand for.")
    peer = result["peer"]
    if peer:
        rate = peer["weights_per_second"] / 1e9
        console.print(f"{peer['name']} {peer['version']} on one thread draws and multiplies {rate:.3g}e9 weights/s.")
