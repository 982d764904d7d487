"""Whole failovers whose only fence is `fence_ipmilan`, against a BMC that kills controller and Redis of its node."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.acceptance.cluster import Cluster, cluster
from tests.acceptance.powered import only, reference
from tests.servers import ipmi
from tests.servers.ipmi import PASSWORD, USER, Bmc
from tests.servers.ports import LOOPBACK
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

pytestmark = pytest.mark.skipif(bool(ipmi.missing()), reason=f"missing: {', '.join(ipmi.missing())}")


@contextmanager
def powered_pair(zookeeper: ZooKeeper, root: str) -> Iterator[tuple[Cluster, dict[str, Bmc]]]:
    """Two hosts, each with a BMC, not started yet."""
    with Bmc() as of_a, Bmc() as of_b:
        bmcs = {"a": of_a, "b": of_b}
        options = {
            "ip": LOOPBACK,
            "ipport": "{node.ipmi}",
            "username": USER,
            "password": reference(PASSWORD),
            "lanplus": True,
            "cipher": "3",
            "power_timeout": 2,
            "power_wait": 0,
        }
        power = {"kind": "agent", "agent": "fence_ipmilan", "options": options, "timeout": "15s"}
        facts = {name: {"ipmi": str(bmc.port)} for name, bmc in bmcs.items()}
        with cluster(zookeeper.hosts, root, fencing=only(power), facts=facts) as pair:
            for name, bmc in bmcs.items():
                bmc.feed([pair[name].folder / "controller.pid", pair[name].folder / "redis.pid"])
            yield pair, bmcs


def test_a_frozen_active_is_switched_off_by_its_bmc_and_replaced(zookeeper: ZooKeeper, zk_root: str) -> None:
    with powered_pair(zookeeper, zk_root) as (pair, bmcs):
        a, b = pair.freeze_the_active()
        eventually(b.active, 20, f"b is active\n{pair.logs()}")
        assert not bmcs["a"].is_on()
        assert bmcs["b"].is_on()
        assert a.redis_role() == ""
        assert a.process is not None
        eventually(lambda: not a.process.running, 5, "a's controller has no power")  # type: ignore[union-attr]
        assert PASSWORD not in pair.logs()


@pytest.mark.long
def test_while_the_power_is_stuck_nobody_is_promoted_and_blocked_says_why(zookeeper: ZooKeeper, zk_root: str) -> None:
    with powered_pair(zookeeper, zk_root) as (pair, bmcs):
        bmcs["a"].stick()
        a, b = pair.freeze_the_active()
        told = eventually(lambda: b.status().get("blocked"), 25, f"b is blocked\n{pair.logs()}")
        assert "power" in told
        eventually(lambda: "says that it is ON" in b.log, 10, f"the log says what the device says\n{pair.logs()}")
        assert not b.active()
        assert b.redis_role() == "slave"
        assert a.redis_role() == "master"
        assert PASSWORD not in pair.logs()
