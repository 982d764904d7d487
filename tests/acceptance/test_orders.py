"""Operators' orders and the ends of a controller, on real components."""

import json
from pathlib import Path

from tests.acceptance.cluster import Cluster, Host, cluster
from tests.acceptance.witness import Witness
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper


def started(pair: Cluster) -> tuple[Host, Host]:
    pair.start("a", "b")
    eventually(lambda: pair["a"].sees_fit("b"), 10, f"b is a standby that could take over\n{pair.logs()}")
    return pair["a"], pair["b"]


def test_paused_nothing_moves_and_resume_lets_it_move(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        a, b = started(pair)
        paused = pair.ctl(a, "pause", "--reason", "looking", "--json")
        assert paused.returncode == 0, paused.stderr
        a.kill_redis()
        eventually(lambda: a.status().get("health") == "not_responding", 10, "a knows that its service is gone")
        assert a.role() == "active"
        refused = pair.ctl(b, "switchover", "--to", "b", "--reason", "test", "--json")
        assert refused.returncode == 12, refused.stdout + refused.stderr
        assert b.redis_role() == "slave"
        assert pair.ctl(a, "resume").returncode == 0
        eventually(b.active, 10, f"b takes over after resume\n{pair.logs()}")
        paused = pair.ctl(b, "pause", "--for", "1s", "--reason", "looking", "--json")
        assert paused.returncode == 0, paused.stderr
        over = "the pause of root (local) is over"
        eventually(lambda: over in a.log + b.log, 15, f"the pause ends by itself\n{pair.logs()}")
        eventually(lambda: a.status().get("pause", "?") is b.status().get("pause", "?") is None, 10, "both know it")


def test_a_drained_node_hands_over_and_stays_out_until_undrained(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        a, b = started(pair)
        with Witness(pair) as witness:
            assert pair.ctl(b, "drain", "a").returncode == 0
            eventually(b.active, 10, f"b is active\n{pair.logs()}")
            eventually(lambda: a.role() == "out" and "drained" in a.status().get("why", ""), 10, "a is out")
            refused = pair.ctl(b, "drain", "b", "--json")
            assert refused.returncode == 12, "nobody else could take over"
            assert pair.ctl(a, "undrain", "a").returncode == 0
            eventually(lambda: a.role() == "standby", 10, f"a is standby\n{pair.logs()}")
        assert not witness.seen.both_masters
        assert not pair.fenced()


def test_a_controller_that_is_told_to_stop_hands_over_without_fencing(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        a, b = started(pair)
        with Witness(pair) as witness:
            assert a.process is not None
            a.process.stop()
            eventually(b.active, 10, f"b is active\n{pair.logs()}")
        assert a.redis_role() == "slave"
        assert "ending with exit code 0" in a.log
        assert not witness.seen.both_masters
        assert not pair.fenced()


def test_a_killed_controller_is_fenced_and_comes_back_as_a_standby_s8(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        a, b = started(pair)
        with Witness(pair) as witness:
            assert a.process is not None
            a.process.kill()
            eventually(b.active, 20, f"b fences a and takes over\n{pair.logs()}")
            assert len(pair.fenced()) == 1
            a.start()
            eventually(lambda: a.role() == "standby" and a.redis_role() == "slave", 20, f"a is back\n{pair.logs()}")
        assert not witness.seen.both_masters


def test_a_forced_failover_says_whom_it_must_fence_and_skips_only_the_pause(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root, retry={"first": "60s", "longest": "60s"}) as pair:
        a, b = started(pair)
        (pair.folder / "fence-fails").touch()
        assert a.process is not None
        a.process.kill()
        eventually(lambda: b.status().get("blocked"), 20, f"b is blocked\n{pair.logs()}")
        assert b.status()["retry_in_s"] > 0
        refused = pair.ctl(b, "failover", "--to", "b", "--json")
        assert refused.returncode != 0, "without --force nothing is done"
        (pair.folder / "fence-fails").unlink()
        forced = pair.ctl(b, "failover", "--to", "b", "--force", "--reason", "test", "--json")
        assert forced.returncode == 0, forced.stdout + forced.stderr + pair.logs()
        assert "must fence a" in json.dumps(json.loads(forced.stdout))
        assert b.active()


def test_a_controller_stopped_during_a_failover_leaves_nobody_promoted_twice(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    """S4: the hooks of a killed controller end with it; its successor undoes what it was at."""
    with cluster(zookeeper.hosts, zk_root) as pair:
        a, b = started(pair)
        (b.folder / "promote-hangs").touch()
        with Witness(pair) as witness:
            a.kill_redis()
            hook = eventually(b.promoting, 10, f"the promote of b runs\n{pair.logs()}")
            assert b.process is not None
            assert b.process.pid is not None
            b.process.kill()
            eventually(lambda: not _lives(hook), 5, "the hook has ended with its controller")
            (b.folder / "promote-hangs").unlink()
            b.start()
            pair.the_active(20)
            roles = ["master", "slave"]
            eventually(lambda: sorted([a.redis_role(), b.redis_role()]) == roles, 15, f"both are up\n{pair.logs()}")
        assert not witness.seen.both_masters


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
