"""Self-fencing on real processes: two `failoverd`, a real ZooKeeper, Redis, and a watchdog device for each host.

A device that fires ends its host's processes, as a reset would. The chain has nothing else that could fence.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from failover.ports.self_fence import SELF_FENCE_SOCKET
from tests.acceptance.cluster import Cluster, Host, cluster
from tests.servers.wait import eventually
from tests.servers.watchdog import FakeDevice, let_go, missing, watchdog_device
from tests.servers.zookeeper import ZooKeeper

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")

CHAIN = {
    "methods": {"ask": {"kind": "controller", "timeout": "1s"}, "wait": {"kind": "watchdog_wait", "timeout": "30s"}},
    "timeout": "40s",
}


@contextmanager
def pair_of(
    zookeeper: ZooKeeper, zk_root: str, tmp_path: Path, session: str, timeout: str
) -> Iterator[tuple[Cluster, Host, Host, FakeDevice, FakeDevice]]:
    """a is active, b standby. `timeout`: of the dog."""
    places = {name: tmp_path / f"device-{name}" for name in ("a", "b")}
    own = {
        name: {
            "watchdog": {
                "device": str(place / "mount" / "watchdog"),
                "timeout": timeout,
                "allow_on_virtual_machine": True,
            }
        }
        for name, place in places.items()
    }
    with ExitStack() as stack:
        options = {"fencing": CHAIN, "on_store_loss": "step_down", "session_timeout": session, "own": own}
        pair = stack.enter_context(cluster(zookeeper.hosts, zk_root, on_stop="keep", **options))
        devices = []
        for name, place in places.items():
            fires = f"for f in controller redis; do kill -9 $(cat {pair[name].folder}/$f.pid); done"
            devices.append(stack.enter_context(watchdog_device(place, fires)))
        pair.start("a", "b")
        eventually(lambda: pair["a"].active() and pair["b"].role() == "standby", 20, f"a and b\n{pair.logs()}")
        try:
            yield pair, pair["a"], pair["b"], *devices
        finally:
            pair.end_controllers()
            for name in places:
                let_go(pair[name].folder / "state" / pair.service / SELF_FENCE_SOCKET)


@pytest.mark.long
def test_the_dog_goes_with_the_service_through_restart_hand_over_and_last_will(
    zookeeper: ZooKeeper, zk_root: str, tmp_path: Path
) -> None:
    with pair_of(zookeeper, zk_root, tmp_path, "9s", "9s") as (pair, a, b, dog, other):
        kill(a)
        a.start()
        eventually(a.active, 15, f"a is adopted\n{pair.logs()}")
        pets = dog.pets()
        eventually(lambda: dog.pets() > pets, 15, "the dog is fed")
        assert dog.events() == ["armed"]

        pair.switchover(a, b)
        eventually(b.active, 15, f"b takes over\n{pair.logs()}")
        eventually(lambda: dog.events() == ["armed", "disarmed"], 5, "a clean hand-over disarms")
        assert other.events() == ["armed"]
        assert "fenced" not in b.status()["why"]

        eventually(lambda: a.role() == "standby", 15, "a is standby")
        kill(b)
        done = pair.ctl(b, "last-will")
        assert done.returncode == 0, done.stdout + done.stderr
        eventually(lambda: other.events() == ["armed", "disarmed"], 5, f"the last will disarms\n{done.stderr}")
        eventually(a.active, 15, f"a takes over\n{pair.logs()}")


def test_a_host_that_hangs_is_reset_before_its_peer_promotes(
    zookeeper: ZooKeeper, zk_root: str, tmp_path: Path
) -> None:
    with pair_of(zookeeper, zk_root, tmp_path, "6s", "4s") as (pair, a, b, dog, other):
        assert a.process is not None
        a.process.pause()
        fired = ["armed", "fired", "reset"]
        eventually(lambda: dog.events() == fired or b.active(), 20, "the dog fires")
        assert not b.active()
        assert (a.redis_role(), b.redis_role()) == ("", "slave")
        eventually(b.active, 30, f"b takes over\n{pair.logs()}")
        assert "fenced by wait" in b.status()["why"]
        assert dog.events() == fired
        assert other.events() == ["armed"]


def kill(host: Host) -> None:
    assert host.process is not None
    host.process.kill()
