"""What the machine code of a kernel does in its loops; nvdisasm reads it (nvidia-cuda-nvdisasm), without a driver."""

from __future__ import annotations

import collections
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

_LABEL = re.compile(r"^(\.L_x_\d+):")
_INSTRUCTION = re.compile(r"^/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)\s*(.*?);")


def disassembler() -> str | None:
    """The path of nvdisasm: the system's, or that of its package; None where there is none."""
    found = shutil.which("nvdisasm")
    spec = importlib.util.find_spec("nvidia")
    for place in spec.submodule_search_locations or () if spec and not found else ():
        found = next(map(str, Path(place).glob("**/bin/nvdisasm")), found)
    return found


def loops(cubin: bytes, folder: Path) -> list[collections.Counter[str]]:
    """The instructions of each innermost loop by name, modifiers included, in the order of the code."""
    path = folder / "kernel.cubin"
    path.write_bytes(cubin)
    command = [disassembler() or "nvdisasm", "-c", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names, labels, backward = [], {}, []
    for line in map(str.strip, text.splitlines()):
        if label := _LABEL.match(line):
            labels[label[1]] = len(names)
        elif found := _INSTRUCTION.match(line):
            target = re.search(r"\.L_x_\d+", found[2])
            if found[1].startswith("BRA") and target and target[0] in labels:
                backward.append((labels[target[0]], len(names)))
            names.append(found[1])
    innermost = [a for a in backward if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in backward)]
    return [collections.Counter(names[first : last + 1]) for first, last in sorted(innermost)]


def loops_over_weights(cubin: bytes, folder: Path) -> list[collections.Counter[str]]:
    """Those that make random words and multiply: with the products of Philox, and without stores."""
    return [loop for loop in loops(cubin, folder) if _is_over_weights(loop)]


def count(loop: collections.Counter[str], *beginnings: str) -> int:
    """How many of a loop's instructions have names that begin so."""
    return sum(times for name, times in loop.items() if name.startswith(beginnings))


def _is_over_weights(loop: collections.Counter[str]) -> bool:
    return count(loop, "IMAD.WIDE", "IMAD.HI") >= 14 and not count(loop, "ST", "CALL")
