"""Whether a change of structure kept every bit: datasets of small studies, recorded before it and compared after.

    python tests/benchmarks/same_bits.py record BITS.json
    python tests/benchmarks/same_bits.py compare BITS.json

Both on one machine with one set of packages. ``record`` runs each of ``STUDIES`` and writes a digest of every dataset;
``compare`` runs them again and names each dataset that is missing or differs (exit code 1), and those that are new.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import mcflow

Case, Study = mcflow.Case, mcflow.Study
# HDF5 images, whose padding, times and sets of quantities are nobody's promise, and their lengths.
VOLATILE = ("continuation", "head", "byte")


def softsign(h: float) -> float:
    """A user's own activation."""
    return h / (1.0 + math.fabs(h))


def softsign_slope(h: float) -> float:
    """Its derivative."""
    return 1.0 / (1.0 + math.fabs(h)) ** 2


def one_study(path: Path, cases: list[mcflow.Case], networks: int = 40, seed: int = 7, **options: Any) -> list[Path]:
    """Run a study into ``path``; its keys ``keep`` and ``backward`` are the study's, the others the run's."""
    of_study = {key: options.pop(key) for key in ("keep", "backward") if key in options}
    mcflow.run(Study(tuple(cases), networks, seed, **of_study), path, **options).close()
    return [path]


def schemes(path: Path) -> list[Path]:
    """Each family of weights, direct, one input."""
    names = ("xavier_normal", "kaiming_uniform", "lecun_truncated_normal", "rademacher", "torch_default", "normal:0.1")
    cases = [Case(scheme, "relu", depth=4, width=(24, 17, 32, 9), features=11) for scheme in names]
    return one_study(path, cases, method="direct")


def activations(path: Path) -> list[Path]:
    """Each built-in activation, collapsed."""
    cases = [Case("lecun_normal", name, depth=5, width=24) for name in mcflow.activations.names()]
    return one_study(path, cases, method="collapsed", networks=20)


def several_inputs(path: Path) -> list[Path]:
    """Five inputs, collapsed and with biases."""
    return one_study(path, [Case("kaiming_normal", "gelu", depth=6, width=32, batch=5, bias_std=0.2)], networks=200)


def several_inputs_direct(path: Path) -> list[Path]:
    """Five inputs, direct, uniform weights and biases."""
    return one_study(path, [Case("torch_default", "tanh", depth=6, width=32, batch=5)], method="direct")


def pairs(path: Path) -> list[Path]:
    """Inputs that come in pairs."""
    cases = [Case("xavier_normal", "tanh", depth=5, width=20, batch=6, correlation=0.5, gain=g) for g in (0.9, 1.5)]
    return one_study(path, cases)


def orthogonal(path: Path) -> list[Path]:
    """Haar weights, both methods in two files."""
    case = Case("orthogonal", "relu", depth=4, width=(20, 28, 12, 16), batch=3)
    direct = one_study(path, [case], method="direct")
    return direct + one_study(path.with_stem("collapsed"), [case], method="collapsed")


def chain(path: Path) -> list[Path]:
    """The chain of second moments."""
    return one_study(path, [Case("kaiming_normal", "relu", depth=40, width=64)], method="chain", networks=300)


def beyond_float64(path: Path) -> list[Path]:
    """Second moments that leave float64 at both ends."""
    cases = [Case(f"normal:{std}", "relu", depth=200, width=32) for std in (0.0001, 40.0)]
    return one_study(path, cases, networks=10)


def user_activation(path: Path) -> list[Path]:
    """A user's own function, direct and collapsed."""
    mcflow.activations.register("own_softsign", softsign, softsign_slope)
    cases = [Case("xavier_uniform", "own_softsign", depth=4, width=16), Case("lecun_normal", "own_softsign", depth=4)]
    return one_study(path, cases, networks=24)


def user_data(path: Path) -> list[Path]:
    """Rows of a user's file."""
    rows = path.with_name("rows.npy")
    np.save(rows, np.random.default_rng(3).normal(size=(4, 13)))
    return one_study(path, [Case("kaiming_normal", "elu", depth=3, width=16, inputs=str(rows), batch=4)])


def raw_inputs(path: Path) -> list[Path]:
    """Inputs on the sphere, unscaled, forward alone."""
    cases = [Case("lecun_uniform", "selu", depth=3, width=20, inputs="sphere", batch=2, raw=True)]
    return one_study(path, cases, backward=False, method="direct")


def summary(path: Path) -> list[Path]:
    """Folded as it goes."""
    return one_study(path, [Case("kaiming_normal", "relu", depth=8, width=16)], keep="summary", networks=9000)


def several_parts(path: Path) -> list[Path]:
    """More networks than one part holds, on two threads."""
    return one_study(path, [Case("kaiming_normal", "relu", depth=3, width=8)], networks=20_000, threads=2)


def resumed(path: Path) -> list[Path]:
    """Half of the networks, then all of them."""
    case = Case("xavier_normal", "sigmoid", depth=4, width=12, batch=2)
    one_study(path, [case], networks=30)
    return one_study(path, [case], networks=75, resume=True)


def shards(path: Path) -> list[Path]:
    """Two shards, merged."""
    toml = path.with_suffix(".toml")
    toml.write_text(Study((Case("kaiming_normal", "tanh", depth=3, width=12),), 20_000, 5).to_toml())
    parts = [path.with_stem(f"shard{number}") for number in (0, 1)]
    for number, part in enumerate(parts):
        command_line("run", toml, "--shard", f"{number}/2", "-o", part, "--quiet")
    command_line("merge", *parts, "-o", path)
    return [*parts, path]


def command_line(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "mcflow", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


STUDIES: tuple[Callable[[Path], list[Path]], ...] = (
    schemes,
    activations,
    several_inputs,
    several_inputs_direct,
    pairs,
    orthogonal,
    chain,
    beyond_float64,
    user_activation,
    user_data,
    raw_inputs,
    summary,
    several_parts,
    resumed,
    shards,
)


def digests(path: Path) -> Iterator[tuple[str, str]]:
    """The full name of every dataset with a digest of its type, shape and bytes."""
    found = []
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: found.append((name, item)) if isinstance(item, h5py.Dataset) else None)
        for name, item in found:
            if not name.endswith(VOLATILE) and not name.startswith("parts/"):
                value = np.asarray(item[()])
                text = f"{value.dtype} {value.shape} ".encode()
                content = value.tobytes() if value.dtype != object else repr(value.tolist()).encode()
                yield name, hashlib.sha256(text + content).hexdigest()[:16]


def all_digests() -> dict[str, str]:
    """STUDY/FILE/DATASET: digest, of every study."""
    found = {}
    for study in STUDIES:
        with tempfile.TemporaryDirectory() as folder:
            for path in study(Path(folder) / "study.h5"):
                found |= {f"{study.__name__}/{path.stem}/{name}": value for name, value in digests(path)}
    return found


def main() -> int:
    """Record or compare; the exit code is 1 where a dataset differs."""
    if len(sys.argv) != 3 or sys.argv[1] not in ("record", "compare"):
        sys.exit(__doc__)
    verb, file = sys.argv[1], Path(sys.argv[2])
    found = all_digests()
    if verb == "record":
        file.write_text(json.dumps(found, indent=1))
        print(f"{len(found)} datasets of {len(STUDIES)} studies recorded in {file}")
        return 0
    before = json.loads(file.read_text())
    for name in sorted(before.keys() - found.keys()):
        print("missing:", name)
    differing = sorted(name for name in before.keys() & found.keys() if before[name] != found[name])
    for name in differing:
        print("differs:", name)
    new = sorted({name.rsplit("/", 1)[-1] for name in found.keys() - before.keys()})
    print(f"{len(before)} datasets recorded, {len(differing)} differ; new: {', '.join(new) or 'none'}")
    return 1 if differing or before.keys() - found.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
