"""Who goes first, restarts in place and the flap brake, on three real Redis servers and a real ZooKeeper."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.acceptance.cluster import Cluster, Host, cluster
from tests.acceptance.witness import Witness
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper


@contextmanager
def of_three(zookeeper: ZooKeeper, root: str, **options: object) -> Iterator[tuple[Cluster, Host, Host, Host]]:
    """a is active, b and c replicate from it."""
    with cluster(zookeeper.hosts, root, names=("a", "b", "c"), **options) as made:
        made.start("a", "b", "c")
        a, b, c = made["a"], made["b"], made["c"]
        for host in (b, c):
            eventually(lambda host=host: host.role() == "standby", 10, f"{host.name} is standby\n{made.logs()}")  # type: ignore[misc]
            eventually(lambda host=host: "connected" in str(host.redis("ROLE")), 10, f"{host.name} replicates")  # type: ignore[misc]
        yield made, a, b, c


def cut_off(host: Host) -> None:
    """Its replica gets nothing any more; it stays a replica."""
    host.redis("REPLICAOF", "127.0.0.1", "1")


def shown(host: Host, name: str) -> int:
    """The position of `name`, as `host` sees it in the store."""
    answer = host.get("/v1/cluster")
    members = answer.json()["members"] if answer is not None else []
    return next((int(m["position"] or 0) for m in members if m["node"] == name), 0)


def test_the_freshest_standby_takes_over_whatever_its_priority_and_the_other_follows_it_once(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    options = {"position": True, "own": {"c": {"priority": 100}}, "limits": {"head_start": "5s"}}
    with of_three(zookeeper, zk_root, **options) as (made, a, b, c):
        cut_off(c)
        with Witness(made):
            eventually(lambda: shown(c, "b") > shown(c, "c") + 1000, 15, "b is known to be fresher than c")
        a.kill_redis()
        eventually(b.active, 15, f"b takes over\n{made.logs()}")
        epoch = b.status()["epoch"]
        eventually(lambda: f"b {epoch}" in c.followed(), 10, f"c follows b\n{made.logs()}")
        eventually(lambda: f"b {epoch}" in a.followed(), 10, f"a follows b\n{made.logs()}")
        eventually(lambda: "connected" in str(c.redis("ROLE")), 10, "c replicates from b")
        assert c.followed().count(f"b {epoch}") == 1
        assert "-> campaigning" not in c.log, "it lets the fresher one go first"
        assert not made.fenced()


def test_when_the_best_candidate_cannot_be_promoted_the_next_one_is_without_an_operator(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with of_three(zookeeper, zk_root, own={"b": {"priority": 100}}) as (made, a, b, c), Witness(made) as witness:
        (b.folder / "promote-fails").touch()
        a.kill_redis()
        eventually(c.active, 20, f"c takes over\n{made.logs()}")
        assert "promote answered not_done" in b.log
        eventually(lambda: b.redis_role() == "slave", 10, "b is a replica")
        assert not made.fenced(), "b stepped down cleanly"
    assert not witness.seen.both_masters


def test_a_standby_that_is_not_ready_or_lags_too_far_is_barred_and_says_so(zookeeper: ZooKeeper, zk_root: str) -> None:
    lag = {"max_lag": 1000}
    with of_three(zookeeper, zk_root, position=True, ready=True, own={"a": lag, "b": lag, "c": lag}) as (made, a, b, c):
        cut_off(c)
        (b.folder / "not-ready").touch()
        with Witness(made):
            eventually(lambda: "max_lag" in c.status().get("why", ""), 15, f"c lags\n{made.logs()}")
        eventually(lambda: "the backup runs" in b.status().get("why", ""), 10, "b is not ready")
        assert "max_lag" in made.ctl(c, "why").stdout
        assert "the backup runs" in made.ctl(b, "why").stdout
        refused = made.ctl(a, "switchover", "--to", "c", "--reason", "test")
        assert refused.returncode == 12, refused.stdout + refused.stderr
        refused = made.ctl(a, "switchover", "--to", "b", "--reason", "test")
        assert refused.returncode == 12, refused.stdout + refused.stderr
        assert "refused (candidate): b is no candidate now: ready:" in refused.stderr
        assert "the backup runs" in refused.stderr, "the reason, as b knows it"
        a.kill_redis()
        eventually(lambda: a.role() != "active", 10, "a has stepped down, or is restarting")
        assert b.redis_role() == c.redis_role() == "slave"
        (b.folder / "not-ready").unlink()
        eventually(b.active, 15, f"b takes over once it is ready\n{made.logs()}")


def test_a_crashed_service_is_restarted_in_place_and_moves_when_the_restarts_are_used_up(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with cluster(zookeeper.hosts, zk_root, limits={"restarts": 1}) as pair:
        (pair.folder / "promote-starts").touch()
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        epoch, session = a.status()["epoch"], a.session()
        with Witness(pair) as witness:
            a.kill_redis()
            eventually(lambda: a.active() and a.status().get("epoch", 0) > epoch, 15, f"a is restarted\n{pair.logs()}")
            assert a.session() == session, "the lock stays"
            assert "restarting in place (1 of 1" in a.log
            eventually(lambda: f"a {a.status()['epoch']}" in b.followed(), 10, "b follows the new epoch")
            eventually(lambda: b.role() == "standby", 10, "b is standby")
            a.kill_redis()
            eventually(b.active, 15, f"b takes over\n{pair.logs()}")
        assert not witness.seen.both_masters
        assert not pair.fenced()


def test_with_nobody_to_take_over_a_crashed_service_is_always_restarted(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root, names=("a",)) as alone:
        (alone.folder / "promote-starts").touch()
        alone.start("a")
        a = alone["a"]
        for _ in range(3):
            epoch = a.status()["epoch"]
            a.kill_redis()
            eventually(
                lambda epoch=epoch: a.active() and a.status().get("epoch", 0) > epoch and a.redis_role() == "master",  # type: ignore[misc]
                20,
                f"a is restarted\n{alone.logs()}",
            )
        assert "nobody else could take over, so it is restarted in place" in a.log


def test_the_flap_brake_keeps_a_hung_active_and_says_so_loudly(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root, limits={"failovers": 1}) as pair:
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        a.kill_redis()
        eventually(b.active, 15, f"b takes over\n{pair.logs()}")
        eventually(lambda: a.role() == "standby", 15, f"a is standby again\n{pair.logs()}")
        os.kill(b.redis_pid(), signal.SIGSTOP)
        try:
            eventually(lambda: "flap brake" in b.status().get("why", ""), 10, f"b stays\n{pair.logs()}")
            assert "flap brake" in pair.ctl(b, "status").stdout
            assert b.status()["role"] == "active"
            assert a.role() == "standby"
        finally:
            os.kill(b.redis_pid(), signal.SIGCONT)
        eventually(lambda: "healthy again" in b.status().get("why", ""), 10, f"b is well\n{pair.logs()}")
        b.kill_redis()
        eventually(a.active, 15, f"with nobody active the service moves\n{pair.logs()}")
