"""Whole failovers whose only fence is `fence_redfish`, against a BMC that kills controller and Redis of its node."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cluster import Cluster, Host, cluster
from tests.servers import sushy as sushy_server
from tests.servers.guardian import scratch_folder
from tests.servers.ports import LOOPBACK
from tests.servers.sushy import PASSWORD, USER, Sushy, sushy
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

AGENT = Path("/usr/sbin/fence_redfish")
MISSING = [*sushy_server.missing(), *([] if AGENT.exists() else ["`fence_redfish` (Debian: fence-agents)"])]
pytestmark = [pytest.mark.long, pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}")]
SYSTEM_OF = {"a": "node-a", "b": "node-b"}


@contextmanager
def powered_pair(zookeeper: ZooKeeper, root: str) -> Iterator[tuple[Cluster, Sushy]]:
    """Two hosts, each one of the BMC's systems, not started yet."""
    password = scratch_folder("bmc-secret") / "bmc.secret"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    with sushy() as bmc:

        def fencing(_: dict[str, Host]) -> dict[str, Any]:
            options = {
                "ip": LOOPBACK,
                "ipport": bmc.port,
                "username": USER,
                "password": {"file": str(password)},
                "systems_uri": "{node.system}",
                "power_timeout": 5,
                "power_wait": 0,
            }
            power = {
                "kind": "agent",
                "agent": "fence_redfish",
                "options": options,
                "ca": str(bmc.ca),
                "timeout": "30s",
                "restore": True,
            }
            # All "hosts" share one kernel, which refuses for those that are off.
            return {"methods": {"power": power}, "verify": {"contradiction": "warn", "ports": []}}

        facts = {name: {"system": bmc.system(system)} for name, system in SYSTEM_OF.items()}
        with cluster(zookeeper.hosts, root, fencing=fencing, facts=facts) as pair:
            for name, system in SYSTEM_OF.items():
                bmc.kills(system, pair[name].folder / "controller.pid", pair[name].folder / "redis.pid")
            yield pair, bmc


def test_a_frozen_active_is_switched_off_replaced_and_given_its_power_back(zookeeper: ZooKeeper, zk_root: str) -> None:
    with powered_pair(zookeeper, zk_root) as (pair, bmc):
        bmc.delay("0.5")
        a, b = pair.freeze_the_active()
        eventually(lambda: bmc.powers("node-a") == ["Off"], 30, f"a is off\n{pair.logs()}")
        eventually(b.active, 30, f"b is active\n{pair.logs()}")
        assert (a.redis_role(), b.redis_role()) == ("", "master")
        assert a.process is not None
        eventually(lambda: not a.process.running, 5, "a's controller has no power")  # type: ignore[union-attr]
        eventually(lambda: bmc.powers("node-a") == ["Off", "On"], 30, f"a has power again\n{pair.logs()}")
        assert bmc.powers("node-b") == []
        assert "its device says OFF" in b.log
        assert PASSWORD not in pair.logs()


def test_while_the_power_is_stuck_nobody_is_promoted_and_blocked_says_why(zookeeper: ZooKeeper, zk_root: str) -> None:
    with powered_pair(zookeeper, zk_root) as (pair, bmc):
        bmc.delay("stuck")
        a, b = pair.freeze_the_active()
        told = eventually(lambda: b.status().get("blocked"), 60, f"b is blocked\n{pair.logs()}")
        assert "its device says that it is ON" in told
        assert told.endswith("failoverctl fence confirm a")
        assert not b.active()
        assert (a.redis_role(), b.redis_role()) == ("master", "slave")
        assert PASSWORD not in pair.logs() + told
