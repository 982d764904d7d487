"""Whole failovers whose only fence is `kind: redfish`, against a BMC that kills controller and Redis of its node."""

from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.acceptance.cluster import Cluster
from tests.acceptance.powered import is_given_its_power_back, reference, systems_of_a_bmc
from tests.servers import sushy as sushy_server
from tests.servers.sushy import PASSWORD, USER, Sushy
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

pytestmark = pytest.mark.skipif(bool(sushy_server.missing()), reason=f"missing: {', '.join(sushy_server.missing())}")


def powered_pair(
    zookeeper: ZooKeeper, root: str, password: str = PASSWORD
) -> AbstractContextManager[tuple[Cluster, Sushy]]:
    def power(bmc: Sushy) -> dict[str, Any]:
        return {
            "kind": "redfish",
            "address": bmc.address,
            "system": "{node.system}",
            "user": USER,
            "password": reference(password),
            "ca": str(bmc.ca),
            "timeout": "10s",
            "restore": True,
        }

    return systems_of_a_bmc(zookeeper, root, power)


def test_a_frozen_active_is_switched_off_replaced_and_given_its_power_back(zookeeper: ZooKeeper, zk_root: str) -> None:
    with powered_pair(zookeeper, zk_root) as (pair, bmc):
        _, b = is_given_its_power_back(pair, bmc, 15)
        assert "the BMC says Off, twice" in b.log
        assert PASSWORD not in pair.logs()


def test_with_a_wrong_password_nobody_is_promoted_and_blocked_says_why(zookeeper: ZooKeeper, zk_root: str) -> None:
    with powered_pair(zookeeper, zk_root, "wr0ng-one") as (pair, bmc):
        a, b = pair.freeze_the_active()
        told = eventually(lambda: b.status().get("blocked"), 25, f"b is blocked\n{pair.logs()}")
        assert "login refused (401) for fencer: check user and password" in told
        assert not b.active()
        assert (a.redis_role(), b.redis_role()) == ("master", "slave")
        assert bmc.power("node-a") == "On"
        assert "wr0ng-one" not in pair.logs() + str(told)
