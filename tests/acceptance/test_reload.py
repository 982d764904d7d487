"""SIGHUP on real processes: what can change does, without a new session or epoch; the rest is refused by name."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

from tests.acceptance.cluster import Host, cluster
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

Change = Callable[[dict[str, Any]], object]


def edit(host: Host, change: Change) -> None:
    """Edit the host's configuration file."""
    record = json.loads(host.config.read_text())
    change(record)
    host.config.write_text(json.dumps(record, indent=1))


def hang_up(host: Host, said: str) -> None:
    """SIGHUP, and wait for what the controller says of it."""
    assert host.process is not None
    assert host.process.pid is not None
    known = host.log.count(said)
    os.kill(host.process.pid, signal.SIGHUP)
    eventually(lambda: host.log.count(said) > known, 15, f"it says: {said}\n{host.log}")


def member(host: Host) -> dict[str, Any]:
    """Its own member record, as its API tells it."""
    answer = host.get("/v1/cluster")
    assert answer is not None
    found: dict[str, Any] = next(one for one in answer.json()["members"] if one["node"] == host.name)
    return found


def test_a_reload_changes_what_can_change_and_neither_session_nor_epoch(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root, names=("a",), session_timeout="12s") as alone:
        alone.start("a")
        a = alone["a"]
        before = a.status()["epoch"], a.session()
        config_hash = member(a)["config_hash"]

        hang_up(a, "SIGHUP: nothing was changed")

        def change(record: dict[str, Any]) -> None:
            record["priority"] = 7
            record["health"][1]["every"] = "100ms"
            record["health"][1]["timeout"] = "100ms"
            record["limits"]["head_start"] = "2s"

        edit(a, change)
        hang_up(a, "SIGHUP: reloaded: priority, health, limits")
        eventually(lambda: member(a)["priority"] == 7, 5, "the new priority is published")
        assert member(a)["config_hash"] != config_hash
        assert (a.status()["epoch"], a.session()) == before
        assert a.active()

        edit(a, lambda record: record["store"].update(root="/elsewhere") or record.update(priority=8))
        hang_up(a, "SIGHUP: store.root cannot change while the controller runs")
        eventually(lambda: member(a)["priority"] == 8, 5, "what can change has changed")

        edit(a, lambda record: record["limits"].update(head_strat="1s") or record.update(priority=9))
        hang_up(a, "the file has mistakes, listed above: nothing was changed")
        assert "limits.head_strat: unknown key" in a.log
        assert member(a)["priority"] == 8
        assert (a.status()["epoch"], a.session()) == before
        assert "active ->" not in a.log

        # The new probes are the ones that count: the service goes, and comes again by a promote in place.
        a.kill_redis()
        eventually(lambda: "active -> demoting" in a.log, 10, f"the new probes see the crash\n{a.log}")


def test_a_reload_of_a_hook_counts_from_the_next_run_on(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root, session_timeout="12s") as pair:
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        hook = b.folder / "promote-anew"
        hook.write_text(f"#!/bin/sh\ntouch {b.folder}/promoted-anew\nexec {b.folder}/promote\n")
        hook.chmod(0o755)
        edit(b, lambda record: record["control"]["promote"].update(run=[str(hook)]))
        session = b.session()
        hang_up(b, "SIGHUP: reloaded: control")
        assert b.session() == session
        pair.switchover(a, b)
        assert b.active()
        assert (b.folder / "promoted-anew").exists()
