"""What this machine can hold: memory and disk, as far as this process may use them."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path


def available_memory() -> int:
    """Bytes of memory this process may still take: the least of the system's, its control groups' and its limit's."""
    found = [_system_memory(), *_control_groups()]
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        found.append(max(0, limit - _used_address_space()))
    return min(found)


def available_disk(folder: Path) -> int:
    """Bytes free for this user where ``folder`` is, or would be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _system_memory() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _control_groups(system: Path = Path("/")) -> list[int]:
    """Bytes left under each memory limit above this process: its own control group's and those of all groups above.

    ``system`` is the root of the file system. Pages of files that the kernel can drop are not counted as used.
    """
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:  # NUMBER:CONTROLLERS:PATH, of version 2 without controllers
        _, controllers, place = (*line.split(":", 2), "", "")[:3]
        if not controllers:
            roots = [system / "sys/fs/cgroup", system / "sys/fs/cgroup/unified"]
            names = ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            roots = [system / "sys/fs/cgroup/memory"]
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        parts = [part for part in place.split("/") if part not in ("", "..")]
        for root in roots:
            # inside a container the path may be that of the host: what is not there is passed by, up to the root
            folders = [root.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]
            found += [left for folder in folders if (left := _left_in(folder, *names)) is not None]
    return found


def _left_in(group: Path, limit: str, used: str, droppable: str) -> int | None:
    """Bytes left in one control group; None where it has no limit or is not there."""
    try:
        most, taken = int((group / limit).read_text()), int((group / used).read_text())
    except (OSError, ValueError):  # of version 2, no limit is the word max
        return None
    try:
        pairs = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        taken -= min(taken, int(pairs.get(droppable, 0)))
    except (OSError, ValueError):
        pass
    return max(0, most - taken)


def _used_address_space() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
