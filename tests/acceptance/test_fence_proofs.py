"""Fencing that is proven before it is needed, tested live, and confirmed by hand, with whole controllers.

The fence is the operator's own command: a power switch that kills a node's controller and service, a `status` that
looks whether they live, and a `restore` that only takes note (nobody can start a controller from its own test).
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cluster import Cluster, Host
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

STATUS = """#!/bin/sh
[ -e $DIR/status-lies ] && exit 2
state=$(cut -d' ' -f3 "/proc/$(cat $DIR/$1/controller.pid)/stat" 2>/dev/null)
case "$state" in ''|Z) exit 2 ;; *) exit 0 ;; esac
"""
STRIKE = """#!/bin/sh
echo "$FAILOVER_NODE strikes $1 under $FAILOVER_EPOCH" >> $DIR/fenced
[ -e $DIR/fence-fails ] && exit 1
for file in controller.pid redis.pid; do kill -9 "$(cat $DIR/$1/$file)" 2>/dev/null; done
exit 0
"""
RESTORE = """#!/bin/sh
echo "$1" >> $DIR/restored
"""


def fencing_in(folder: Path) -> dict[str, Any]:
    """One level: the switch."""

    def script(name: str, text: str) -> list[str]:
        path = folder / name
        path.write_text(text.replace("$DIR", str(folder)))
        path.chmod(0o755)
        return [str(path), "{node.name}"]

    power = {
        "kind": "command",
        "run": script("strike", STRIKE),
        "status": script("status", STATUS),
        "restore": script("restore", RESTORE),
        "timeout": "3s",
    }
    return {"methods": {"power": power}, "levels": [["power"]], "probe": {"every": "1s", "timeout": "3s"}}


@pytest.fixture
def cluster(zookeeper: ZooKeeper, zk_root: str, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    names = getattr(request, "param", ["db1", "db2"])
    made = Cluster(zookeeper.hosts, names, zk_root, fencing={"methods": {}})
    for host in made.hosts.values():
        config = json.loads(host.config.read_text())
        config["fencing"] = fencing_in(made.folder)
        host.config.write_text(json.dumps(config))
    try:
        made.format()
        made.start()
        yield made
    finally:
        made.destroy()


def fence(host: Host, path: str = "") -> dict[str, Any]:
    answer = host.client.get(
        f"http://{host.api}/v1/fence{path}", headers={"Authorization": "Bearer t0ken-of-the-tests"}
    )
    return dict(answer.json())


def to_do(host: Host) -> str:
    return " | ".join(one["problem"] for one in host.status().get("to_do", []))


def proven_by(host: Host, node: str) -> list[str]:
    answer = host.get("/v1/cluster")
    members = answer.json()["members"] if answer is not None else []
    return [by for member in members if member["node"] == node for by in member["fence_proven"]["by"]]


def lose(cluster: Cluster, name: str) -> None:
    """Controller and service end without a word."""
    os.kill(cluster[name].redis_pid(), signal.SIGKILL)
    cluster[name].kill_with_launcher()


def assert_a_plan_says_everything(cluster: Cluster, db1: Host) -> None:
    done = cluster.ctl(db1, "fence", "plan", "db2", "--json")
    told = json.loads(done.stdout)
    (level,) = told["levels"]
    lines = {line["name"]: line["value"] for line in level["methods"][0]["lines"]}
    assert lines["run"] == f"{cluster.folder}/strike db2"
    assert (told["source"], told["worst_case_s"], told["casualties"]) == ("its member record", 3.25, [])
    assert "db2 is not fenced (S7)" in told["now"]
    assert level["methods"][0]["proof"]["on_at"]
    assert "Worst case: 3.2 s" in cluster.ctl(db1, "fence", "plan", "db2").stdout
    assert cluster.ctl(db1, "fence", "plan", "db1").returncode == 12
    assert cluster.ctl(db1, "fence", "plan", "db9").returncode == 12


def test_a_probe_finds_on_a_plan_touches_nothing_and_a_liar_is_quarantined(cluster: Cluster) -> None:
    db1, db2 = cluster["db1"], cluster["db2"]
    eventually(lambda: proven_by(db1, "db2") == ["db1"] and proven_by(db1, "db1") == ["db2"], 15, "both have proven")
    (proof,) = fence(db1)["proofs"]
    assert (proof["node"], proof["proof"], proof["quarantine"]) == ("db2", "done", "")
    assert proof["on_at"]
    assert db1.get("/v1/fence").status_code == 401
    assert_a_plan_says_everything(cluster, db1)
    assert not cluster.fenced()

    (cluster.folder / "status-lies").touch()
    eventually(lambda: "db2 is OFF, but db2 is alive" in to_do(db1), 20, "the liar is told")
    assert "no usable level is left for db2" in to_do(db1)
    assert db1.log.count("This method points to another machine") == 1
    assert not proven_by(db1, "db2")
    probed = cluster.ctl(db1, "fence", "probe", "db2")
    assert probed.returncode == 13, probed.stderr
    lose(cluster, "db1")
    eventually(lambda: "failoverctl fence confirm db1" in db2.status().get("blocked", ""), 20, "db2 is blocked")
    assert not cluster.fenced()
    (cluster.folder / "status-lies").unlink()


@pytest.mark.parametrize("cluster", [["db1", "db2", "db3"]], indirect=True)
@pytest.mark.long
def test_a_live_test_and_a_failover_give_back_what_they_took(cluster: Cluster) -> None:
    db1 = cluster["db1"]
    eventually(lambda: len(proven_by(db1, "db3")) == 2, 15, "db3 is proven by both")
    refused = cluster.ctl(db1, "fence", "test", "db3")
    assert (refused.returncode, "--live" in refused.stderr) == (2, True)
    refused = cluster.ctl(db1, "fence", "test", "db3", "--live")
    assert (refused.returncode, "nobody could be asked" in refused.stderr) == (2, True)
    refused = cluster.ctl(cluster["db2"], "fence", "test", "db1", "--live", "--yes-i-mean", "db1")
    assert (refused.returncode, "holds the lock" in refused.stderr) == (12, True)
    assert not cluster.fenced()

    done = cluster.ctl(db1, "fence", "test", "db3", "--live", "--yes-i-mean", "db3", "--reason", "trial", "--json")
    assert done.returncode == 0, done.stdout + done.stderr + db1.log[-5000:]
    told = json.loads(done.stdout)
    assert (done.returncode, told["state"], told["extra"]["restored"]) == (0, "done", "done"), told
    assert (cluster.folder / "restored").read_text().split() == ["db3"]
    assert [line.split(" under")[0] for line in cluster.fenced()] == ["db1 strikes db3"]
    assert db1.active()
    (proof,) = [one for one in fence(db1)["proofs"] if one["node"] == "db3"]
    assert (proof["test"], bool(proof["tested_at"])) == ("done", True)
    eventually(
        lambda: "FenceTested" in {one["event"] for one in fence(db1, "/history")["history"]}, 10, "it is remembered"
    )
    refused = cluster.ctl(db1, "fence", "test", "db2", "--live", "--yes-i-mean", "db2")
    assert (refused.returncode, "only standby" in refused.stderr) == (12, True)

    db2 = cluster["db2"]
    lose(cluster, "db1")
    eventually(db2.active, 20, "db2 takes over after a fence")
    eventually(lambda: "db1" in (cluster.folder / "restored").read_text(), 10, "what it took is given back")
    restores = lambda: [(one["node"], one["state"]) for one in fence(db2)["restores"]]  # noqa: E731
    eventually(lambda: restores() == [("db1", "done")], 10, "the restore's end is told")
    assert [(one["node"]["name"], one["methods"]) for one in fence(db2)["fenced"]] == [("db1", ["power"])]


def test_a_blocked_fence_is_confirmed_by_hand_for_this_very_breadcrumb(cluster: Cluster) -> None:
    db1, db2 = cluster["db1"], cluster["db2"]
    eventually(lambda: proven_by(db2, "db1") == ["db2"], 15, "db1 is proven")
    alive = cluster.ctl(db2, "fence", "confirm", "db1", "--yes-i-mean", "db1")
    assert (alive.returncode, "db1 lives" in alive.stderr) == (12, True)
    other = cluster.ctl(db2, "fence", "confirm", "db2", "--yes-i-mean", "db2")
    assert (other.returncode, "names db1, not db2" in other.stderr) == (12, True), other.stderr

    (cluster.folder / "fence-fails").touch()
    lose(cluster, "db1")
    eventually(lambda: "failoverctl fence confirm db1" in db2.status().get("blocked", ""), 20, "db2 is blocked")
    assert not db2.active()
    done = cluster.ctl(db2, "fence", "confirm", "db1", "--yes-i-mean", "db1", "--reason", "I pulled the plug", "--json")
    assert done.returncode == 0, done.stderr
    eventually(db2.active, 15, f"db2 takes over by the operator's word\n{db2.log[-5000:]}")
    assert "I pulled the plug" in db2.log
    assert db1.get("/live") is None

    db1.start_redis()
    db1.start()
    eventually(lambda: db1.role() == "standby", 15, "db1 is back")
    lose(cluster, "db2")
    eventually(lambda: "failoverctl fence confirm db2" in db1.status().get("blocked", ""), 20, "db1 is blocked")
    assert not db1.active(), "a word for another breadcrumb does nothing"
