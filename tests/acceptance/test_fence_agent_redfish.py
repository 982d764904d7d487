"""Whole failovers whose only fence is `fence_redfish`, against a BMC that kills controller and Redis of its node."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cluster import Cluster
from tests.acceptance.powered import is_given_its_power_back, reference, systems_of_a_bmc
from tests.servers import sushy as sushy_server
from tests.servers.ports import LOOPBACK
from tests.servers.sushy import PASSWORD, USER, Sushy
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

AGENT = Path("/usr/sbin/fence_redfish")
MISSING = [*sushy_server.missing(), *([] if AGENT.exists() else ["`fence_redfish` (Debian: fence-agents)"])]
pytestmark = [pytest.mark.long, pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}")]


def powered_pair(zookeeper: ZooKeeper, root: str) -> AbstractContextManager[tuple[Cluster, Sushy]]:
    def power(bmc: Sushy) -> dict[str, Any]:
        options = {
            "ip": LOOPBACK,
            "ipport": bmc.port,
            "username": USER,
            "password": reference(PASSWORD),
            "systems_uri": "{node.system}",
            "power_timeout": 5,
            "power_wait": 0,
        }
        told = {"options": options, "ca": str(bmc.ca), "timeout": "30s", "restore": True}
        return {"kind": "agent", "agent": "fence_redfish", **told}

    return systems_of_a_bmc(zookeeper, root, power)


def test_a_frozen_active_is_switched_off_replaced_and_given_its_power_back(zookeeper: ZooKeeper, zk_root: str) -> None:
    with powered_pair(zookeeper, zk_root) as (pair, bmc):
        _, b = is_given_its_power_back(pair, bmc, 30)
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
