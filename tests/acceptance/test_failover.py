"""Two real Redis servers under two controllers and a real ZooKeeper: what an operator's users would see."""

import os
import signal
import time

from kazoo.client import KazooClient

from tests.acceptance.cluster import cluster
from tests.acceptance.witness import Witness, lost
from tests.servers.proxy import Relay
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper


def test_a_killed_primary_is_replaced_comes_back_as_a_replica_and_can_be_switched_back(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        eventually(lambda: "connected" in str(b.redis("ROLE")), 10, "b replicates from a")
        with Witness(pair) as witness:
            eventually(lambda: len(witness.seen.acknowledged) > 50, 10, "the client writes")
            epoch = a.status()["epoch"]
            a.kill_redis()
            eventually(b.active, 10, f"b is active\n{pair.logs()}")
            assert b.redis_role() == "master"
            assert b.status()["epoch"] > epoch
            eventually(lambda: a.redis_role() == "slave", 10, f"follow brings a back\n{pair.logs()}")
            eventually(lambda: a.role() == "standby", 10, f"a is standby\n{pair.logs()}")
            before = len(witness.seen.acknowledged)
            eventually(lambda: len(witness.seen.acknowledged) > before + 50, 10, "the client writes to b")

            asked = time.monotonic()
            pair.switchover(b, a)
            eventually(a.active, 10, "a is active again")
            before = len(witness.seen.acknowledged)
            eventually(lambda: len(witness.seen.acknowledged) > before + 50, 10, "the client writes to a")
        gap_s = witness.seen.gap_s(asked)
        print(f"switchover: nobody took a write for {gap_s * 1000:.0f} ms")
        assert gap_s > 0
        assert not lost(witness.seen, a), "acknowledged and replicated writes are there"
        assert not witness.seen.both_masters
        assert not pair.fenced(), "a clean hand-over needs no fencing"


def test_nothing_moves_while_zookeeper_is_away_and_the_same_node_is_active_afterwards_s6(zk_root: str) -> None:
    with ZooKeeper() as server, cluster(server.hosts, zk_root, session_timeout="12s") as pair:
        pair.start("a", "b")
        eventually(lambda: pair["b"].role() == "standby", 10, "b is standby")
        with Witness(pair) as witness:
            server.stop()
            eventually(lambda: not pair["a"].status().get("store", {}).get("connected", True), 15, "a has noticed")
            eventually(lambda: pair["a"].lock_header() == "unproven", 10, "the lease has run out: unproven")
            eventually(lambda: pair["a"].get("/active?proven").status_code == 503, 10, "nothing is proven any more")  # type: ignore[union-attr]
            assert pair["a"].redis_role() == "master"
            assert pair["b"].redis_role() == "slave"
            server.start()
            eventually(lambda: pair["a"].get("/active?proven").status_code == 200, 20, f"proven again\n{pair.logs()}")  # type: ignore[union-attr]
        assert pair["a"].redis_role() == "master"
        assert not witness.seen.both_masters
        assert not pair.fenced()


def test_a_holder_cut_off_from_zookeeper_is_demoted_by_its_peer_before_the_peer_promotes_s1_s7(
    zookeeper: ZooKeeper, zk_root: str, relay: Relay
) -> None:
    with cluster({"a": relay.hosts, "b": zookeeper.hosts}, zk_root) as pair:  # type: ignore[arg-type]
        pair.start("a", "b")
        eventually(lambda: pair["b"].role() == "standby", 10, "b is standby")
        with Witness(pair) as witness:
            relay.freeze()
            eventually(pair["b"].active, 20, f"b takes over\n{pair.logs()}")
            eventually(lambda: pair["a"].redis_role() == "slave", 10, "a was demoted")
        assert not witness.seen.both_masters
        assert not pair.fenced(), "the controller of a answered, so no stronger method was needed"
        relay.heal()
        eventually(lambda: pair["a"].role() == "standby", 20, f"a comes back as a standby\n{pair.logs()}")


def test_a_session_expired_by_the_server_is_followed_by_a_new_claim_and_the_service_goes_on(
    zookeeper: ZooKeeper, zk_root: str, relay: Relay
) -> None:
    with cluster(relay.hosts, zk_root, names=("a",)) as alone:
        alone.start("a")
        a = alone["a"]
        epoch, session = a.status()["epoch"], a.session()
        with Witness(alone, replicas=0) as witness:
            eventually(lambda: witness.seen.acknowledged, 10, "the client writes")
            relay.freeze()
            client = KazooClient(zookeeper.hosts)
            client.start()
            lock = f"{zk_root}/{alone.service}/ActiveStandbyElectorLock"
            eventually(lambda: client.exists(lock) is None, 10, "the server has ended the session of a")
            client.stop()
            client.close()
            relay.heal()
            claimed = lambda: a.status().get("epoch", 0) > epoch and a.active() and a.session() != session  # noqa: E731
            eventually(claimed, 20, f"a has the lock anew\n{a.log}")
        assert {name for _, name in witness.seen.accepted_at} == {"a"}
        assert "demot" not in a.log, "the service was never touched"
        assert not alone.fenced()


def test_a_stopped_controller_is_fenced_by_the_hook_and_demotes_when_it_wakes_s4_s8(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        (pair.folder / "spare-controllers").touch()
        assert a.process is not None
        assert a.process.pid is not None
        with Witness(pair) as witness:
            os.kill(a.process.pid, signal.SIGSTOP)
            eventually(b.active, 30, f"b fences a and takes over\n{pair.logs()}")
            assert len(pair.fenced()) == 1
            os.kill(a.process.pid, signal.SIGCONT)
            eventually(lambda: a.role() == "standby", 20, f"a woke up and is a standby\n{pair.logs()}")
            assert "demoting" in a.log
        assert b.active()
        assert a.redis_role() == "slave"
        assert not witness.seen.both_masters


def test_nobody_is_promoted_while_fencing_answers_not_done_or_unknown_s5(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        (pair.folder / "fence-fails").touch()
        assert a.process is not None
        a.process.kill()
        eventually(lambda: len(pair.fenced()) >= 3, 30, f"b has tried three times\n{pair.logs()}")
        assert a.redis_role() == "master", "its service still takes writes"
        assert b.redis_role() == "slave"
        assert "not_done" in b.log or "unknown" in b.log
        why = pair.ctl(b, "why", "b")
        assert "fencing a" in why.stdout, why.stdout + why.stderr
        (pair.folder / "fence-fails").unlink()
        eventually(b.active, 30, f"fenced at last, b is promoted\n{pair.logs()}")
        assert a.redis_role() == ""
