"""S10 and S4 on real processes: who can no longer decide ends itself, and its hooks with it."""

import os
import signal
from pathlib import Path

from tests.acceptance.cluster import cluster, is_over
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_lost_launcher_ends_the_controller_and_first_what_the_hook_has_started_s4_s10(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        (b.folder / "promote-hangs").touch()
        a.kill_redis()
        hook = eventually(b.promoting, 10, f"the promote of b runs\n{pair.logs()}")
        sleeping = eventually(lambda: children(hook), 5, "the hook has a child")
        assert b.process is not None
        assert b.process.pid is not None
        (launcher,) = children(b.process.pid)
        os.kill(launcher, signal.SIGKILL)
        eventually(lambda: b.process is not None and not b.process.running, 10, "b has ended itself")
        assert "fail-stop" in b.log
        assert "Traceback" not in b.log
        assert all(is_over(pid) for pid in [hook, *sleeping])


def test_a_floor_that_cannot_be_kept_ends_the_controller_instead_of_the_request_s10(
    zookeeper: ZooKeeper, zk_root: str, relay
) -> None:
    with cluster({"a": relay.hosts, "b": zookeeper.hosts}, zk_root) as pair:  # type: ignore[arg-type]
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        (a.folder / "state" / pair.service / "floor.new").mkdir()
        relay.freeze()
        eventually(lambda: a.process is not None and not a.process.running, 20, f"a ends itself\n{pair.logs()}")
        assert "fail-stop" in a.log
        eventually(b.active, 20, f"b fences a by the next method and takes over\n{pair.logs()}")
        assert len(pair.fenced()) >= 1
