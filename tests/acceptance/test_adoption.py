"""Adoption on real processes: a controller that is killed and restarted carries on, or does the safe thing at once.

Each test is the supervisor: it starts `failoverd` again as systemd would. Sessions are long enough for a slow machine.
"""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from tests.acceptance.cluster import CHECKOUT, Cluster, Host, cluster, is_over
from tests.acceptance.witness import Witness
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

SESSION = "12s"
LONGEST_GAP_S = 3.0  # between two writes of the client, on a machine that starts a Python meanwhile


@contextmanager
def pair_of(zookeeper: ZooKeeper, root: str, **options: object) -> Iterator[tuple[Cluster, Host, Host]]:
    """Two hosts, a active and b standby."""
    with cluster(zookeeper.hosts, root, session_timeout=SESSION, **options) as pair:
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, f"b is standby\n{pair.logs()}")
        eventually(lambda: "connected" in str(b.redis("ROLE")), 10, "b replicates from a")
        yield pair, a, b


def kill(host: Host) -> None:
    """SIGKILL to its controller."""
    assert host.process is not None
    host.process.kill()


def state_of(pair: Cluster, host: Host) -> Path:
    return host.folder / "state" / pair.service


def kept(pair: Cluster, host: Host) -> dict[str, object]:
    """What the host's controller keeps for its successor."""
    record: dict[str, object] = json.loads((state_of(pair, host) / "session.json").read_text())
    return record


def carried_on(host: Host) -> bool:
    return host.active() and "adopted: the controller was restarted" in host.status()["why"]


def comes_back(pair: Cluster, host: Host) -> None:
    """Its follow hook has started its Redis again."""
    eventually(lambda: host.redis_role() == "slave", 15, f"{host.name} follows\n{pair.logs()}")


def test_a_killed_and_restarted_controller_of_the_active_carries_on_without_a_failover_or_a_gap(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b), Witness(pair) as witness:
        epoch, session = a.status()["epoch"], a.session()
        b_session = b.session()
        eventually(lambda: len(witness.seen.acknowledged) > 20, 10, "the client writes")
        killed = time.monotonic()
        kill(a)
        a.start()
        eventually(lambda: carried_on(a), 15, f"a carries on\n{pair.logs()}")
        written = len(witness.seen.accepted_at)
        eventually(lambda: len(witness.seen.accepted_at) > written + 20, 10, "the client goes on writing")
        assert (a.status()["epoch"], a.session()) == (epoch, session)
        assert b.session() == b_session
        assert b.role() == "standby"
        eventually(lambda: a.lock_header() == "proven", 5, "the lock is proven by renewals")
        history = a.get("/v1/history")
        assert history is not None
        eventually(lambda: "adopted" in a.get("/v1/history").text, 5, "the history says so")  # type: ignore[union-attr]
    assert {name for _, name in witness.seen.accepted_at} == {"a"}
    assert witness.seen.gap_s(killed) < LONGEST_GAP_S
    assert not witness.seen.both_masters
    assert not pair.fenced()
    assert "demot" not in a.log
    assert "promoting" not in b.log


def test_a_restarted_controller_of_the_standby_is_the_standby_again_and_can_still_take_over(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        session = b.session()
        kill(b)
        b.start()
        eventually(lambda: b.role() == "standby", 15, f"b is standby again\n{pair.logs()}")
        assert b.session() == session
        assert a.active()
        assert "demot" not in b.log
        a.kill_redis()
        eventually(b.active, 15, f"b takes over\n{pair.logs()}")
        comes_back(pair, a)
        assert not pair.fenced()


def test_a_controller_killed_while_promote_runs_is_restarted_demotes_and_releases(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        (b.folder / "promote-hangs").touch()
        a.kill_redis()
        hook = eventually(b.promoting, 10, f"the promote of b runs\n{pair.logs()}")
        kill(b)
        (b.folder / "promote-hangs").unlink()
        b.start()
        eventually(lambda: not Path(f"/proc/{hook}").exists(), 5, "the hook is gone (S4)")
        active = pair.the_active(20)
        assert "adoption refused: the last controller was in the middle of a change" in b.log
        assert active.redis_role() == "master"
        comes_back(pair, a if active is b else b)


def test_a_hook_that_outlived_controller_and_launcher_is_ended_before_the_store_is_touched_s4(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        (b.folder / "promote-hangs").touch()
        a.kill_redis()
        hook = eventually(b.hanging, 10, f"the promote of b runs\n{pair.logs()}")
        b.kill_with_launcher()
        assert not is_over(hook), "what the hook has started outlives them"
        (b.folder / "promote-hangs").unlink()
        before = len(b.log)
        b.start()
        eventually(lambda: "re-attaching session" in b.log[before:], 15, f"b comes back\n{pair.logs()}")
        assert is_over(hook)
        said = b.log[before:]
        assert said.index("hooks of a predecessor were ended: ") < said.index("re-attaching session")
        pair.the_active(20)


@pytest.mark.long
def test_an_upgraded_controller_of_another_path_and_version_carries_on(
    zookeeper: ZooKeeper, zk_root: str, tmp_path: Path
) -> None:
    for package in ("failover", "fencing", "healthcheck", "config"):
        shutil.copytree(CHECKOUT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    about = tmp_path / "failoverd-99.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: failoverd\nVersion: 99.0\n")
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        epoch, session = a.status()["epoch"], a.session()
        kill(a)
        a.start(tmp_path)
        eventually(lambda: carried_on(a), 15, f"a carries on\n{pair.logs()}")
        assert f"failoverd 99.0 for {pair.service} on a" in a.log
        assert (a.status()["epoch"], a.session()) == (epoch, session)
        assert b.role() == "standby"


@pytest.mark.long
def test_a_service_that_died_while_its_controller_was_away_is_handed_over(zookeeper: ZooKeeper, zk_root: str) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        kill(a)
        a.kill_redis()
        a.start()
        eventually(b.active, 15, f"b is active\n{pair.logs()}")
        comes_back(pair, a)
        assert "adoption refused: the service's role is unknown" in a.log
        assert not pair.fenced(), "handed over: nothing to fence"
        assert "a stepped down cleanly" in b.log, "the first demote was done: there is no process"


@pytest.mark.long
def test_a_forged_session_file_is_refused_with_its_reason_and_the_start_is_a_normal_one(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        session = b.session()
        kill(b)
        file = state_of(pair, b) / "session.json"
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0o644)
        b.start()
        eventually(lambda: b.role() == "standby", 30, f"b is standby again\n{pair.logs()}")
        assert b.session() != session
        assert "others may read or write it (mode 0644" in b.log
        assert (state_of(pair, b) / "session.json.refused").exists()
        assert a.active()


@pytest.mark.long
def test_the_third_restart_within_the_limit_is_one_too_many_s10(zookeeper: ZooKeeper, zk_root: str) -> None:
    with pair_of(zookeeper, zk_root) as (pair, a, b):
        for times in (1, 2):
            kill(a)
            a.start()
            eventually(lambda: carried_on(a), 15, f"a carries on\n{pair.logs()}")
            assert len(kept(pair, a)["adoptions"]) == times  # type: ignore[arg-type]
        kill(a)
        a.start()
        eventually(b.active, 15, f"a has handed over\n{pair.logs()}")
        assert "adoption refused: 2 adoptions within" in a.log
        assert not pair.fenced()
        eventually(lambda: a.role() == "standby", 15, f"a is a standby\n{pair.logs()}")


@pytest.mark.long
def test_a_session_that_ended_meanwhile_makes_it_a_normal_start_s8(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root, names=("a",), session_timeout="2s") as alone:
        alone.start("a")
        a = alone["a"]
        epoch, session = a.status()["epoch"], a.session()
        kill(a)
        client = KazooClient(zookeeper.hosts)
        client.start()
        lock = f"{zk_root}/{alone.service}/ActiveStandbyElectorLock"
        eventually(lambda: client.exists(lock) is None, 10, "the session of a has ended")
        client.stop()
        client.close()
        a.start()
        eventually(a.active, 15, f"a is active again\n{a.log}")
        assert a.session() != session
        assert a.status()["epoch"] > epoch
        assert "nothing to adopt" in a.log
        assert "starting -> demoting" in a.log, "S8: active without a lock is demoted first"


@pytest.mark.long
def test_on_stop_keep_leaves_the_service_to_the_next_controller(zookeeper: ZooKeeper, zk_root: str) -> None:
    with pair_of(zookeeper, zk_root, on_stop="keep") as (pair, a, b):
        epoch, session = a.status()["epoch"], a.session()
        assert a.process is not None
        assert a.process.pid is not None
        with Witness(pair) as witness:
            os.kill(a.process.pid, signal.SIGTERM)
            eventually(lambda: a.process is not None and not a.process.running, 10, "a has stopped")
            a.start()
            eventually(lambda: carried_on(a), 15, f"a carries on\n{pair.logs()}")
        assert (a.status()["epoch"], a.session()) == (epoch, session)
        assert {name for _, name in witness.seen.accepted_at} == {"a"}
        assert "demot" not in a.log
        assert b.role() == "standby"
