"""Whole failovers whose only fence is `kind: redfish`, against a BMC that kills controller and Redis of its node."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.acceptance.cluster import Cluster, Host, cluster
from tests.servers import sushy as sushy_server
from tests.servers.guardian import scratch_folder
from tests.servers.sushy import PASSWORD, USER, Sushy, sushy
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

pytestmark = pytest.mark.skipif(bool(sushy_server.missing()), reason=f"missing: {', '.join(sushy_server.missing())}")
SYSTEM_OF = {"a": "node-a", "b": "node-b"}


@contextmanager
def powered_pair(zookeeper: ZooKeeper, root: str, password: str = PASSWORD) -> Iterator[tuple[Cluster, Sushy]]:
    """Two hosts, each one of the BMC's systems, not started yet."""
    file = scratch_folder("bmc-secret") / "bmc.secret"
    file.write_text(password)
    file.chmod(0o600)
    with sushy() as bmc:

        def fencing(_: dict[str, Host]) -> dict[str, Any]:
            power = {
                "kind": "redfish",
                "address": bmc.address,
                "system": "{node.system}",
                "user": USER,
                "password": {"file": str(file)},
                "ca": str(bmc.ca),
                "timeout": "10s",
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
        eventually(lambda: bmc.powers("node-a")[:1] == ["Off"], 15, f"a is off\n{pair.logs()}")
        eventually(b.active, 15, f"b is active\n{pair.logs()}")
        assert a.redis_role() == ""
        assert a.process is not None
        eventually(lambda: not a.process.running, 5, "a's controller has no power")  # type: ignore[union-attr]
        eventually(lambda: bmc.powers("node-a") == ["Off", "On"], 15, f"a has power again\n{pair.logs()}")
        assert bmc.powers("node-b") == []
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
