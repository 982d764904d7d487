"""Whole failovers whose only fence is `fence_apc_snmp`: its outlets have controller and Redis of their node."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.acceptance.cluster import Cluster, cluster
from tests.acceptance.powered import only, reference
from tests.servers import snmp
from tests.servers.ports import LOOPBACK
from tests.servers.snmp import COMMUNITY, Pdu
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

pytestmark = pytest.mark.skipif(bool(snmp.missing()), reason=f"missing: {', '.join(snmp.missing())}")
OUTLET_OF = {"a": 1, "b": 2}


@contextmanager
def powered_pair(zookeeper: ZooKeeper, root: str, plug: str | int) -> Iterator[tuple[Cluster, Pdu]]:
    """Two hosts, each at an outlet of one unit, not started yet. `plug`: what their configuration says of it."""
    with Pdu() as pdu:
        options = {
            "ip": LOOPBACK,
            "ipport": pdu.port,
            "community": reference(COMMUNITY),
            "snmp_version": "2c",
            "plug": plug,
            "power_timeout": 5,
            "power_wait": 0,
        }
        power = {"kind": "agent", "agent": "fence_apc_snmp", "options": options, "timeout": "20s"}
        facts = {name: {"outlet": str(outlet)} for name, outlet in OUTLET_OF.items()}
        with cluster(zookeeper.hosts, root, fencing=only(power), facts=facts) as pair:
            for name, outlet in OUTLET_OF.items():
                pdu.feed(outlet, [pair[name].folder / "controller.pid", pair[name].folder / "redis.pid"])
            yield pair, pdu


def test_s5_s7_with_an_outlet_that_does_not_exist_nobody_is_promoted_and_blocked_says_what_to_do(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    """The agent says `Success: Already OFF`, exits with 0, and the old active really is gone: that proves nothing."""
    with powered_pair(zookeeper, zk_root, 77) as (pair, pdu):
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        a.kill_redis()
        a.kill_with_launcher()
        told = eventually(lambda: b.status().get("blocked"), 30, f"b is blocked\n{pair.logs()}")
        assert "Already OFF" in told
        assert "its device has never said ON for a, so it may speak of another one, or of none" in told
        assert "Nobody is promoted until a is fenced" in told
        assert told.endswith("failoverctl fence confirm a")
        assert b.redis_role() == "slave"
        assert not b.active()
        assert b.promoting() == 0
        assert pdu.orders() == []
        assert COMMUNITY not in pair.logs() + told


@pytest.mark.long
def test_a_frozen_active_loses_its_outlet_and_is_replaced(zookeeper: ZooKeeper, zk_root: str) -> None:
    with powered_pair(zookeeper, zk_root, "{node.outlet}") as (pair, pdu):
        a, b = pair.freeze_the_active()
        eventually(b.active, 30, f"b is active\n{pair.logs()}")
        assert [pdu.is_on(OUTLET_OF[name]) for name in "ab"] == [False, True]
        assert pdu.orders() == ["1 off"]
        assert (a.redis_role(), b.redis_role()) == ("", "master")
        assert a.process is not None
        eventually(lambda: not a.process.running, 5, "a's controller has no power")  # type: ignore[union-attr]
        assert COMMUNITY not in pair.logs()


@pytest.mark.long
def test_while_the_outlet_is_stuck_nobody_is_promoted_and_blocked_says_why(zookeeper: ZooKeeper, zk_root: str) -> None:
    with powered_pair(zookeeper, zk_root, "{node.outlet}") as (pair, pdu):
        pdu.stick()
        a, b = pair.freeze_the_active()
        told = eventually(lambda: b.status().get("blocked"), 60, f"b is blocked\n{pair.logs()}")
        assert "its device says that it is ON" in told
        assert not b.active()
        assert (a.redis_role(), b.redis_role()) == ("master", "slave")
        assert "1 off" in pdu.orders()
