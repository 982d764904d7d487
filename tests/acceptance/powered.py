"""What failovers by a power switch share: the chain of one method, and a pair whose hosts are a BMC's systems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.acceptance.cluster import Cluster, Host, cluster
from tests.servers.guardian import scratch_folder
from tests.servers.secret import secret
from tests.servers.sushy import Sushy, sushy
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

SYSTEM_OF = {"a": "node-a", "b": "node-b"}


def reference(text: str) -> dict[str, str]:
    """A secret, as a method of the configuration refers to it."""
    return secret(scratch_folder("power-secret"), text)


def only(power: dict[str, Any]) -> Callable[[dict[str, Host]], dict[str, Any]]:
    """The chain of this one method. All "hosts" share one kernel, which refuses for those that are off."""
    return lambda _: {"methods": {"power": power}, "verify": {"contradiction": "warn", "ports": []}}


@contextmanager
def systems_of_a_bmc(
    zookeeper: ZooKeeper, root: str, power: Callable[[Sushy], dict[str, Any]]
) -> Iterator[tuple[Cluster, Sushy]]:
    """Two hosts, each one of the BMC's systems, not started yet. `power`: the only fence."""
    with sushy() as bmc:
        facts = {name: {"system": bmc.system(system)} for name, system in SYSTEM_OF.items()}
        with cluster(zookeeper.hosts, root, fencing=only(power(bmc)), facts=facts) as pair:
            for name, system in SYSTEM_OF.items():
                bmc.kills(system, pair[name].folder / "controller.pid", pair[name].folder / "redis.pid")
            yield pair, bmc


def is_given_its_power_back(pair: Cluster, bmc: Sushy, within_s: float) -> tuple[Host, Host]:
    """The frozen active is switched off, replaced, and switched on again; (it, the new active)."""
    bmc.delay("0.5")
    a, b = pair.freeze_the_active()
    eventually(lambda: bmc.powers("node-a")[:1] == ["Off"], within_s, f"a is off\n{pair.logs()}")
    eventually(b.active, within_s, f"b is active\n{pair.logs()}")
    assert (a.redis_role(), b.redis_role()) == ("", "master")
    assert a.process is not None
    eventually(lambda: not a.process.running, 5, "a's controller has no power")  # type: ignore[union-attr]
    eventually(lambda: bmc.powers("node-a") == ["Off", "On"], within_s, f"a has power again\n{pair.logs()}")
    assert bmc.powers("node-b") == []
    return a, b
