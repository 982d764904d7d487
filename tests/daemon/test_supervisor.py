"""Whether systemd restarts us: read from what systemd 252 says, asked of a `systemctl` that ships with the test."""

import asyncio
import time
from pathlib import Path

import pytest

from config.loading import examine_text
from config.models import Config
from failover.daemon.stopping import is_kept
from failover.daemon.supervisor import own_unit, restart_is_coming, restarts, supervised_unit

UNIT = "failoverd@orders-db.service"
UNIFIED = f"0::/system.slice/system-failoverd.slice/{UNIT}\n"
HYBRID = f"9:name=systemd:/system.slice/system-failoverd.slice/{UNIT}\n8:pids:/\n0::/\n"


@pytest.mark.parametrize(
    ("cgroups", "unit"),
    [
        (UNIFIED, UNIT),
        (HYBRID, UNIT),
        ("0::/user.slice/user-0.slice/user@0.service/app.slice/failoverd.service\n", "failoverd.service"),
        (f"0::/system.slice/{UNIT}/inner\n", UNIT),
        ("0::/user.slice/user-0.slice/session-3.scope\n", ""),
        (f"8:pids:/system.slice/{UNIT}\n", ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_the_own_unit_is_read_from_systemds_hierarchy(cgroups: str, unit: str) -> None:
    assert own_unit(cgroups) == unit


@pytest.mark.parametrize(
    ("jobs", "coming"),
    [
        (f"124 {UNIT} restart running\n", True),
        (f"124 {UNIT} try-restart waiting\n", True),
        (f"271 {UNIT} stop running\n", False),
        ("271 failoverd@other.service restart running\n", False),
        (f"7 other.service stop running\n124 {UNIT} restart running\n", True),
        ("No jobs running.\n", False),
        ("", False),
        (f"124 {UNIT}\n", False),
    ],
)
def test_only_a_restart_of_the_own_unit_counts(jobs: str, coming: bool) -> None:
    assert restarts(jobs, UNIT) is coming


def test_whom_systemd_does_not_run_it_is_not_asked_about(tmp_path: Path) -> None:
    cgroup = tmp_path / "cgroup"
    cgroup.write_text(UNIFIED)
    assert supervised_unit({"INVOCATION_ID": "1"}, tmp_path, cgroup) == UNIT
    assert supervised_unit({}, tmp_path, cgroup) == ""
    assert supervised_unit({"INVOCATION_ID": "1"}, tmp_path / "none", cgroup) == ""
    assert supervised_unit({"INVOCATION_ID": "1"}, tmp_path, tmp_path / "none") == ""


@pytest.fixture
def systemctl(tmp_path: Path) -> Path:
    """A `systemctl` that does what the test writes into it."""
    program = tmp_path / "systemctl"
    program.touch(0o755)
    return program


def test_systemctl_is_asked_for_the_jobs_in_plain_words(systemctl: Path) -> None:
    systemctl.write_text(f'#!/bin/sh\n[ "$1" = list-jobs ] && [ "$LC_ALL" = C ] && echo "1 {UNIT} restart running"\n')
    assert asyncio.run(restart_is_coming(UNIT, systemctl=str(systemctl)))


def test_a_systemctl_that_hangs_or_fails_is_no_restart(systemctl: Path) -> None:
    systemctl.write_text("#!/bin/sh\nexec sleep 30\n")
    began = time.monotonic()
    assert not asyncio.run(restart_is_coming(UNIT, 0.2, str(systemctl)))
    assert time.monotonic() - began < 10
    systemctl.write_text("#!/bin/sh\nexit 1\n")
    assert not asyncio.run(restart_is_coming(UNIT, systemctl=str(systemctl)))
    systemctl.write_text("no program")
    assert not asyncio.run(restart_is_coming(UNIT, systemctl=str(systemctl)))


def config(extra: str) -> Config:
    text = f"""
service: orders-db
node: db1
store: {{kind: zookeeper, hosts: [zk1:2181]}}
control:
  kind: command
  promote: {{run: /bin/true}}
  demote: {{run: /bin/true}}
  role: {{run: /bin/true}}
health: [{{kind: tcp, port: 1}}]
fencing: {{methods: {{f: {{kind: command, run: /sbin/fence}}}}}}
{extra}
"""
    examined = examine_text(text, "orders-db.yaml")
    assert examined.config is not None, examined.problems
    return examined.config


@pytest.mark.parametrize(("word", "kept"), [("on_stop: keep", True), ("on_stop: handover", False)])
def test_a_word_in_the_file_stands_above_the_supervisor(word: str, kept: bool) -> None:
    assert asyncio.run(is_kept(config(word))) is kept


def test_auto_without_systemd_hands_over() -> None:
    assert config("").on_stop == "auto"
    assert not asyncio.run(is_kept(config(""), {}))
