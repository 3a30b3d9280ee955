"""Whole runs beside their kernels: each kind is measured, and a run that waits shows in its share."""

import time

import pytest

from mcflow.files.part_folder import FolderParts
from mcflow.running import whole_runs


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(whole_runs, "PAIRS", 1)
    monkeypatch.setattr(whole_runs, "SECONDS", 0.05)
    monkeypatch.setattr(whole_runs, "_BLOCK_SECONDS", 0.005)
    monkeypatch.setattr(whole_runs, "KINDS", whole_runs.KINDS[2:])


def test_each_kind_has_both_rates_and_their_ratio(brief):
    found = list(whole_runs.measure(width=16, depth=3, threads=1))
    assert [(each.what, each.keep) for each in found] == [
        ("collapsed normal, 1 input", "summary"),
        ("collapsed normal, 16 inputs", "summary"),
        ("collapsed normal, 1 input", "networks"),
    ]
    for each in found:
        assert each.share == pytest.approx(each.networks_per_second / each.kernels_per_second)
        assert (each.device, each.threads) == ("cpu", 1)


def test_time_that_a_run_spends_beside_the_kernels_lowers_its_share(brief, monkeypatch):
    write = FolderParts.write

    def slow(self, case, first, networks, image):
        time.sleep(networks / 200)
        return write(self, case, first, networks, image)

    monkeypatch.setattr(FolderParts, "write", slow)
    for found in whole_runs.measure(width=16, depth=3, threads=1):
        assert found.networks_per_second < 300
        assert found.share < 0.5
