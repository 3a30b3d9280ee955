"""What this machine can hold: memory and disk, as far as this process may use them."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path


def available_memory() -> int:
    """Bytes of memory this process may still take: the least of the system's, its control group's and its limit's."""
    found = [_system_memory(), *_control_group()]
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


def _control_group() -> list[int]:
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text().strip()
        return [] if limit == "max" else [max(0, int(limit) - int(used))]
    except (OSError, ValueError):
        return []


def _used_address_space() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
