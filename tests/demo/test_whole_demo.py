"""The whole demo as its users run it: three real controllers, a real service, a real failover."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers import redis as redis_server
from tests.servers.guardian import scratch_folder
from tests.servers.wait import eventually

REPOSITORY = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "failover.demo"]
PHASES = {
    "service_killed",
    "death_seen",
    "demoted",
    "lock_released",
    "lock_seen_free",
    "lock_won",
    "breadcrumb_claimed",
    "promote_started",
    "active",
    "first_write_accepted",
}


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where the demo makes its folder; nothing may be left in it, and nothing may run in it."""
    folder = scratch_folder("demo")
    yield folder
    eventually(lambda: not running_in(folder), 5.0, "no process of the demo is left")
    assert list(folder.iterdir()) == []


def running_in(folder: Path) -> list[int]:
    found = []
    for pid in psutil.pids():
        try:
            if folder in Path(f"/proc/{pid}/cwd").readlink().parents:
                found.append(pid)
        except OSError:
            continue
    return found


def environment(scratch: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(scratch)}


def once(scratch: Path, kind: str) -> None:
    ended = subprocess.run(
        [*DEMO, "--once", "--json", "--service", kind],
        cwd=REPOSITORY,
        env=environment(scratch),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert set(told) == {"from", "to", "failover_ms", "phases", "acknowledged_writes", "lost_writes"}
    assert told["from"] != told["to"]
    assert told["lost_writes"] == 0
    assert told["acknowledged_writes"] >= 150
    assert set(told["phases"]) == PHASES
    assert told["phases"]["service_killed"] == 0
    assert told["failover_ms"] == told["phases"]["first_write_accepted"] > told["phases"]["lock_won"]


def test_a_killed_service_fails_over_and_no_acknowledged_write_is_lost(scratch: Path) -> None:
    once(scratch, "tcp")


@pytest.mark.redis
@pytest.mark.long
def test_a_killed_redis_fails_over_and_no_acknowledged_write_is_lost(scratch: Path) -> None:
    missing = redis_server.missing()
    if missing:
        pytest.skip(f"missing: {', '.join(missing)}")
    once(scratch, "redis")


def test_a_killed_controller_is_fenced_before_its_peer_promotes_and_comes_back(scratch: Path) -> None:
    """S1, S7: at the prompt, with a switchover before it."""
    orders = "status\nswitchover\npause\nresume\nkill controller\nnonsense\nswitchover nobody\nquit\n"
    ended = subprocess.run(
        [*DEMO, "--service", "tcp"],
        cwd=REPOSITORY,
        env=environment(scratch),
        input=orders,
        capture_output=True,
        text=True,
        timeout=90,
    )
    told = ended.stdout
    assert ended.returncode == 0, told + ended.stderr
    assert ended.stderr == ""
    for words in ("service killed", "switchover ordered", "controller killed", "fenced", "no such command"):
        assert words in told, told
    assert "refused: no live member is called nobody" in told
    assert told.count("is back as a standby, ") == 2
    assert " 0 of them were lost" in told


def test_nothing_outlives_a_demo_that_is_killed_outright(scratch: Path) -> None:
    demo = subprocess.Popen(
        [*DEMO, "--service", "tcp"],
        cwd=REPOSITORY,
        env=environment(scratch),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with demo:
        assert demo.stdout is not None
        assert any("the others follow" in line for line in demo.stdout)
        assert len(running_in(scratch)) >= 6  # services that were started by hooks, and controllers
        demo.kill()
