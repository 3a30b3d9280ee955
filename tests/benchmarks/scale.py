"""A study of 10^9 networks on paper, and the same study on 1, 2 and 3 Dask workers.

    python tests/benchmarks/scale.py [--workers 1,2,3] [--networks 1000000000]

On paper: the parts that ``--keep summary`` cuts it into, on a processor and on a GPU; the bytes of one and of those
that wait; the seconds that making and merging them take, measured on parts of few networks, whose statistics are as
many. Workers: networks a second of each further network (a long run less a short one), over those of one worker times
their number, and whether the files have the same bits. More workers than cores have less than one core each.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import timing

from mcflow import Case, Study, plan
from mcflow.files import part_image
from mcflow.files.target import Target
from mcflow.inputs.case_inputs import inputs_of
from mcflow.methods.cost import folded_part_size
from mcflow.running import engine, run
from mcflow.running.progress import Silent
from mcflow.running.workers import dask
from mcflow.sampling import bins, devices, sample
from mcflow.sampling.fold import Folding
from mcflow.sampling.part import merge

CASE = Case("kaiming_normal", "relu", depth=50, width=512)
GROUP = 256
DATASETS = ("summary", "histogram")


def on_paper(networks: int) -> None:
    nothing = np.zeros(CASE.depth, np.int64)
    parts = []
    for number in range(2):
        folding = Folding(GROUP, sketched=True)
        here = bins.Plan(0, nothing, nothing)
        for first in range(0, 2048, GROUP):
            at = number * 2048 + first
            folding.add(sample.record(CASE, inputs_of(CASE, 0), 0, at, GROUP, method="collapsed", plan=here))
        parts.append(folding.part(number * 2048, 2048))
    began = time.perf_counter()
    images = [part_image.encode(part, "") for part in parts]
    made = (time.perf_counter() - began) / 2
    began = time.perf_counter()
    merge(*(part_image.decode(image) for image in images))
    merged = time.perf_counter() - began
    size = len(images[0])
    print(f"{networks:.0e} networks, width 512, depth 50, one input, --keep summary; a part is {size / 1e6:.1f} MB,")
    print(f"made in {1e3 * made:.0f} ms, merged with another in {1e3 * merged:.0f} ms")
    for device in (devices.CPU, devices.CUDA):
        each = folded_part_size(CASE, 512, "collapsed", networks, device.strength)
        count = -(-networks // each)
        waiting = engine._FOLD + count.bit_length()
        print(
            f"{device.name}: {count} parts of {each} networks; at most {waiting} wait, {waiting * size / 1e6:.0f} MB; "
            f"making and merging all of them {count * (made + merged):.0f} s, beside the computing"
        )


def on_workers(counts: list[int], short: int, long: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rates: dict[int, float] = {}
        bits: dict[int, str] = {}
        for count in counts:
            with dask.crew(f"local:{count}", 1, print) as crew:
                seconds = []
                for networks in (short // 4, short, long):  # the first compiles
                    study = Study((CASE,), networks, keep="summary")
                    path = Path(folder) / f"{count}.h5"
                    began = time.perf_counter()
                    prepared = plan.prepare(study, "collapsed", "cpu")
                    run.run_to_file(prepared, Target(path, overwrite=True), run.Options(crew=crew), Silent())
                    seconds.append(time.perf_counter() - began)
                rates[count] = (long - short) / (seconds[2] - seconds[1])
            bits[count] = digest(path)
            share = rates[count] / (count * rates[counts[0]] / counts[0])
            same = "the same bits" if bits[count] == bits[counts[0]] else "OTHER BITS"
            print(
                f"{count} workers of one thread: {rates[count]:.4g} networks/s, {100 * share:.0f} %, {same}", flush=True
            )


def digest(path: Path) -> str:
    """Of every dataset of the summary and the histograms."""
    found = hashlib.sha256()
    with h5py.File(path) as file:
        for name in DATASETS:
            for key, data in sorted(file["kaiming_normal-relu"][name].items()):
                found.update(key.encode() + data[()].tobytes())
    return found.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=float, default=1e9)
    parser.add_argument("--workers", default="1,2,3")
    parser.add_argument("--long", type=int, default=196608)
    options = parser.parse_args()
    print(timing.machine("numpy", "numba", "h5py", "distributed"))
    on_paper(int(options.networks))
    on_workers([int(word) for word in options.workers.split(",")], options.long // 4, options.long)


if __name__ == "__main__":
    main()
