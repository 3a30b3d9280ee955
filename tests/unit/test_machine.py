"""The memory that a process may take: the smallest limit of the control groups above it, version 1 and 2."""

import pytest

from mcflow import machine

JOB = "slurm/uid_1000/job_7/step_0"


def group(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def said(system, lines):
    group(system / "proc/self")
    (system / "proc/self/cgroup").write_text(lines)


def second(folder, limit, used, inactive=0):
    stat = f"anon {used}\ninactive_file {inactive}"
    group(folder, memory__max=limit, memory__current=used, memory__stat=stat)


def test_the_smallest_limit_on_the_way_to_the_root_counts(tmp_path):
    said(tmp_path, f"0::/{JOB}\n")
    root = tmp_path / "sys/fs/cgroup"
    second(root / JOB, "max", 100)
    second(root / "slurm/uid_1000/job_7", 1000, 300)
    second(root / "slurm/uid_1000", 5000, 4900, inactive=200)
    group(root)  # the root of version 2 has no such files
    assert sorted(machine._control_groups(tmp_path)) == [300, 700]


def test_limits_of_version_one_count(tmp_path):
    said(tmp_path, f"11:cpu,cpuacct:/other\n4:memory:/{JOB}\n1:name=systemd:/x\n0::/y\n")
    root = tmp_path / "sys/fs/cgroup/memory"
    for folder, limit in ((root / JOB, 4096), (root / "slurm", 2048), (root, 9223372036854771712)):
        stat = "inactive_file 1\ntotal_inactive_file 24"
        group(folder, memory__limit_in_bytes=limit, memory__usage_in_bytes=1024, memory__stat=stat)
    assert sorted(machine._control_groups(tmp_path))[:2] == [2048 - 1000, 4096 - 1000]


def test_a_container_that_shows_the_path_of_its_host_is_found_at_the_root(tmp_path):
    said(tmp_path, "0::/../../docker/12ab\n")
    second(tmp_path / "sys/fs/cgroup", 800, 300)
    assert machine._control_groups(tmp_path) == [500]


@pytest.mark.parametrize("lines", ["", "nonsense\n", "0::/gone\n", "4:memory:/gone\n"])
def test_where_nothing_is_said_there_is_no_limit(tmp_path, lines):
    said(tmp_path, lines)
    assert machine._control_groups(tmp_path) == []


def test_a_group_that_is_over_its_limit_has_nothing_left(tmp_path):
    said(tmp_path, "0::/job\n")
    second(tmp_path / "sys/fs/cgroup/job", 100, 200)
    assert machine._control_groups(tmp_path) == [0]


def test_the_limit_of_the_job_is_what_is_available(monkeypatch):
    monkeypatch.setattr(machine, "_control_groups", lambda: [7])
    assert machine.available_memory() == 7
