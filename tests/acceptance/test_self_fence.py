"""Self-fencing on real processes: two `failoverd`, a real ZooKeeper, Redis, and a watchdog device for each host.

A device that fires ends its host's processes, as a reset would. The chain has nothing else that could fence.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.acceptance.cluster import Cluster, Host, cluster
from tests.servers.wait import eventually
from tests.servers.watchdog import FakeDevice, missing, watchdog_device
from tests.servers.zookeeper import ZooKeeper

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")

CHAIN = {
    "methods": {"ask": {"kind": "controller", "timeout": "1s"}, "wait": {"kind": "watchdog_wait", "timeout": "20s"}},
    "timeout": "30s",
}


@contextmanager
def pair_of(
    zookeeper: ZooKeeper, zk_root: str, tmp_path: Path
) -> Iterator[tuple[Cluster, Host, Host, FakeDevice, FakeDevice]]:
    """a is active, b standby."""
    places = {name: tmp_path / f"device-{name}" for name in ("a", "b")}
    own = {
        name: {
            "watchdog": {
                "device": str(place / "mount" / "watchdog"),
                "timeout": "2s",
                "allow_on_virtual_machine": True,
            }
        }
        for name, place in places.items()
    }
    with ExitStack() as stack:
        options = {"fencing": CHAIN, "on_store_loss": "step_down", "session_timeout": "4s", "own": own}
        pair = stack.enter_context(cluster(zookeeper.hosts, zk_root, on_stop="keep", **options))
        devices = []
        for name, place in places.items():
            fires = f"for f in controller redis; do kill -9 $(cat {pair[name].folder}/$f.pid); done"
            devices.append(stack.enter_context(watchdog_device(place, fires)))
        pair.start("a", "b")
        eventually(lambda: pair["a"].active() and pair["b"].role() == "standby", 20, f"a and b\n{pair.logs()}")
        yield pair, pair["a"], pair["b"], *devices


def test_a_stopped_active_is_reset_before_its_peer_promotes(zookeeper: ZooKeeper, zk_root: str, tmp_path: Path) -> None:
    with pair_of(zookeeper, zk_root, tmp_path) as (pair, a, b, dog, other):
        assert dog.events() == ["armed"]
        assert other.events() == []
        assert a.process is not None
        assert a.process.pid is not None
        os.kill(a.process.pid, signal.SIGSTOP)
        eventually(lambda: dog.events() == ["armed", "fired", "reset"] or b.active(), 20, "the dog fires")
        assert not b.active()
        assert b.redis_role() == "slave"
        eventually(b.active, 30, f"b takes over\n{pair.logs()}")
        assert "fenced by wait" in b.status()["why"]
        assert other.events() == ["armed"]


def test_a_killed_controller_is_followed_by_one_that_feeds_on(
    zookeeper: ZooKeeper, zk_root: str, tmp_path: Path
) -> None:
    with pair_of(zookeeper, zk_root, tmp_path) as (pair, a, _, dog, _):
        assert a.process is not None
        a.process.kill()
        a.start()
        eventually(a.active, 15, f"a is adopted\n{pair.logs()}")
        pets = dog.pets()
        eventually(lambda: dog.pets() > pets + 5, 15, "the dog is fed")
        assert dog.events() == ["armed"]


def test_a_controller_that_does_not_come_back_costs_the_host(
    zookeeper: ZooKeeper, zk_root: str, tmp_path: Path
) -> None:
    with pair_of(zookeeper, zk_root, tmp_path) as (pair, a, b, dog, _):
        assert a.process is not None
        a.process.kill()
        eventually(b.active, 40, f"b takes over\n{pair.logs()}")
        assert dog.events() == ["armed", "fired", "reset"]
        assert a.redis_role() == ""
