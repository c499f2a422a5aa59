"""How many threads are worth having: the cores of the process, and no more than its container's share."""

import os

import pytest

from litetransformer.core import cores


@pytest.fixture
def groups(monkeypatch, tmp_path):
    monkeypatch.setattr(cores, "CGROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        *(("max 100000", 8), ("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1)),
        *(("1600000 100000", 8), ("", 8), ("words", 8), ("100000 0", 8)),
    ],
)
def test_a_containers_share_of_time_limits_the_cores(groups, limit, expected):
    (groups / "cpu.max").write_text(limit)
    assert cores.usable_cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("300000", 3)])
def test_control_groups_of_version_1(groups, quota, expected):
    (groups / "cpu").mkdir()
    (groups / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (groups / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cores.usable_cores() == expected


def test_without_control_groups_it_is_what_the_process_may_run_on(groups):
    assert cores.usable_cores() == 8
