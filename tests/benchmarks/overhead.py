"""What parts, checksums and assembly cost of a default run: their share of its wall and processor time.

    python tests/benchmarks/overhead.py [--runs 7] [--networks 1000] [--folder FOLDER]

Each run is ``mcflow run`` in a process of its own, after one that is not counted and fills the cache of compiled
kernels. Prints medians over the runs: milliseconds, and the share of the whole command from its start to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import timing

# name -> what it is; those under "of which" are inside assembly
LINES = {
    "parts": "parts: made with checksums, written, fsync",
    "head": "head: made, written, fsync",
    "assembly": "assembly, without the statistics",
    "reading": "  of which parts read back",
    "check": "  of which every dataset read again",
    "seal": "  of which digest, fsync, rename",
    "together": "parts, head and assembly together",
    "statistics": "statistics over networks (the summary's values)",
    "total": "the whole command",
}


def once(arguments: list[str]) -> None:
    """Run the command in this process with clocks around the pieces; the last line of stdout is what they showed."""
    from mcflow.cli import call
    from mcflow.files import assembly, part_folder, part_image, target
    from mcflow.running import engine, work
    from mcflow.running.run import store
    from mcflow.statistics import summaries

    spent: dict[str, list[float]] = {}

    def clock(owner: object, function: str, name: str) -> None:
        inner = getattr(owner, function)

        def timed(*given: object, **named: object) -> object:
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return inner(*given, **named)
            finally:
                sums = spent.setdefault(name, [0.0, 0.0])
                sums[0] += time.perf_counter() - wall
                sums[1] += time.process_time() - cpu

        setattr(owner, function, timed)

    assert engine.part_image is work.part_image is part_image
    assert store is target
    for owner, function, name in (
        (part_image, "encode", "parts"),
        (part_folder.FolderParts, "write", "parts"),
        (target, "head_image", "head"),
        (target, "write_atomically", "head"),
        (assembly, "assemble_file", "assembly"),
        (assembly, "check_readable", "check"),
        (assembly, "seal_and_replace", "seal"),
        (part_image, "decode", "reading"),
        (part_folder.FolderParts, "read", "reading"),
        (summaries, "accumulate", "statistics"),
        (summaries, "merge", "statistics"),
        (summaries, "describe", "statistics"),
        (summaries, "exact_quantiles", "statistics"),
    ):
        clock(owner, function, name)
    if call(["run", "--quiet", "--overwrite", "--json", *arguments]) != 0:
        raise SystemExit("the run failed")
    print(json.dumps(spent))


def run(arguments: list[str]) -> dict[str, tuple[float, float]]:
    """Wall and processor seconds of each piece of one run, and of all of it."""
    wall, before = time.perf_counter(), os.times()
    done = subprocess.run([sys.executable, __file__, "--once", *arguments], capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - wall, os.times()
    spent = {name: (w, c) for name, (w, c) in json.loads(done.stdout.splitlines()[-1]).items()}
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    spent["total"] = (wall, cpu)
    spent["assembly"] = _sum(spent["assembly"], _negative(spent["statistics"]))
    spent["together"] = _sum(spent["parts"], spent["head"], spent["assembly"])
    return spent


def _sum(*pairs: tuple[float, float]) -> tuple[float, float]:
    return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)


def _negative(pair: tuple[float, float]) -> tuple[float, float]:
    return -pair[0], -pair[1]


def main() -> None:
    if sys.argv[1:2] == ["--once"]:
        once(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--folder", help="where the files are written [default: a temporary folder]")
    options = parser.parse_args()
    print(timing.machine("numpy", "numba", "h5py"))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        arguments = ["--networks", str(options.networks), "-o", str(Path(folder) / "study.h5")]
        run(arguments)
        found = [run(arguments) for _ in range(options.runs)]
        size = (Path(folder) / "study.h5").stat().st_size
    print(f"default study, {options.networks} networks, file of {size / 1e6:.1f} MB, medians of {options.runs} runs")
    print(f"{'':50s} {'wall':>9s} {'share':>7s}   {'processor':>9s} {'share':>7s}")
    for name, words in LINES.items():
        line = f"{words:50s}"
        for clock in (0, 1):
            seconds = statistics.median(each[name][clock] for each in found)
            share = statistics.median(each[name][clock] / each["total"][clock] for each in found)
            line += f" {1e3 * seconds:6.0f} ms {100 * share:5.1f} % " + ("  " if clock == 0 else "")
        print(line.rstrip())


if __name__ == "__main__":
    main()
