"""What of the kernels' speed reaches the user: whole runs beside kernels, for 1, 2, ... all threads, and on a GPU.

    python tests/benchmarks/whole_runs.py [--width 512] [--depth 50] [--threads 1,2]

A run's rate is that of each further network: of a long run less a short one, into a file. Medians of three pairs, each
beside the kernels alone, measured right before and after it.
"""

from __future__ import annotations

import argparse

import timing

from mcflow.running import whole_runs
from mcflow.sampling import cpu, devices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--threads", help="as in 1,2,16 [default: 1, 2, 4, ... and all]")
    options = parser.parse_args()
    print(timing.machine("numpy", "numba", "h5py"))
    most = cpu.most_threads()
    doubled = [1 << power for power in range(most.bit_length())]
    threads = [int(word) for word in options.threads.split(",")] if options.threads else sorted({*doubled, most})
    places = [("cpu", count) for count in threads]
    reason = devices.CUDA.quick_reason() or devices.CUDA.reason()
    if reason:
        print(f"GPU: not measured ({reason})")
    else:
        places.append(("cuda", most))
    print(f"ReLU, forward and backward, width {options.width}, depth {options.depth}; networks a second")
    print(f"{'':34s} {'keep':9s} {'device':7s} {'threads':>7s} {'kernels':>10s} {'whole run':>10s} {'share':>7s}")
    for device, count in places:
        for found in whole_runs.measure(options.width, options.depth, count, device):
            print(
                f"{found.what:34s} {found.keep:9s} {device:7s} {count:7d} {found.kernels_per_second:10.4g} "
                f"{found.networks_per_second:10.4g} {100 * found.share:5.0f} %",
                flush=True,
            )


if __name__ == "__main__":
    main()
