"""The bench measures what it says. How fast this machine is, is no test's matter."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.bench.figures import TARGETS, p95
from tests.bench.phases import Turn, first, turns_since
from tests.servers import zookeeper

CHECKOUT = Path(__file__).resolve().parents[2]
FIGURES = {
    "runs",
    "floor_ms_median",
    "floor_disk_ms_median",
    "crash_ms_median",
    "crash_ms_p95",
    "crash_ratio_median",
    "switchover_gap_ms_median",
    "switchover_ratio_median",
    "switchover_client_gap_ms_median",
    "controller_kill_failovers",
    "controller_kill_longest_gap_ms",
    "controller_kill_quiet_longest_gap_ms",
    "adopted_ms_median",
    "adopted_ms_p95",
    "hung_ms_median",
    "hung_ms_p95",
    "host_lost_ms_median",
    "host_lost_session_ms",
    "rss_mb",
    "rss_launcher_mb",
    "pss_mb",
    "idle_cpu_percent",
    "join_s",
}


@pytest.mark.zookeeper
@pytest.mark.skipif(bool(zookeeper.missing()), reason="no ZooKeeper: scripts/install-test-needs installs it")
@pytest.mark.long
def test_two_runs_end_with_one_json_line_that_has_every_figure_and_the_phases_in_their_order() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--json", "--quick"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=300,  # a busy machine takes ten times what a quiet one does
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert record.keys() >= FIGURES
    assert record["runs"] == 2
    assert record["targets"].keys() == TARGETS.keys()
    assert 0 < record["rss_launcher_mb"] < record["rss_mb"]
    assert record["pss_mb"] <= record["rss_mb"]
    assert record["controller_kill_failovers"] == record["controller_kill_epoch_changes"] == 0
    assert record["controller_kills"] == 2
    assert record["host_lost_ms_median"] > record["host_lost_session_ms"] / 2, "S1: not before the session has ended"
    for move in ("crash", "switchover"):
        at = record["phases"][move]
        left = [at[name] for name in ("death_seen", "demote_hook", "handed_over")]
        came = [at[name] for name in ("lock_free_seen", "lock_won", "claimed", "promote_hook")]
        assert all(later > earlier - 1 for earlier, later in pairwise(left)), at
        assert all(later > earlier - 1 for earlier, later in pairwise(came)), at
        assert at["promote_hook"] > at["demote_hook"], "S1, S3: nobody is promoted before the demote has begun"


def test_a_failing_part_says_what_and_ends_with_1() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--runs", "1"],
        cwd=CHECKOUT,
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "java" in done.stderr
    assert "Traceback" not in done.stderr


def test_phases_are_those_of_this_run() -> None:
    def said(at: str, before: str, after: str) -> dict[str, str]:
        return {"at": at, "from": before, "to": after}

    recent = [
        said("2026-01-01T00:00:00.100+00:00", "active", "demoting"),
        said("2026-01-01T00:00:09.000+00:00", "standby", "standby"),
        said("2026-01-01T00:00:09.500+00:00", "active", "demoting"),
    ]
    began_at = 1767225609.0002
    turns = turns_since(began_at, {"recent": recent})
    assert turns == [Turn(1767225609.5, "active", "demoting")]
    assert first(turns, "active") == 1767225609.5
    with pytest.raises(LookupError, match="no change from demoting"):
        first(turns, "demoting", "out")


def test_the_95th_percentile_is_a_value_that_was_measured() -> None:
    assert p95([3.0]) == 3.0
    assert p95([float(number) for number in range(1, 101)]) == 95.0
