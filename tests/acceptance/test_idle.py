"""What an idle controller has loaded: a module stays in memory until the end, whether it is needed again or not."""

import sys

from tests.acceptance.cluster import Host, cluster
from tests.servers.process import ServerProcess
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

TELLING = """
import sys
from failover.daemon.__main__ import main
try:
    main()
finally:
    print("LOADED", *sys.modules)
"""
NEEDLESS = {
    "argparse": "the command line of the unit is one word",
    "config.explain": "the file is sound",
    "config.schema": "the file is sound",
    "ctypes": "the launcher's",
    "dbus_fast": "no unit is named",
    "failover.api.handshake": "no https is configured",
    "failover.api.metrics.exposition": "nobody has scraped",
    "failover.stores.local": "the store is another",
    "failover.stores.zookeeper.formatting": "an operator's command",
    "fencing.agent": "no such method is configured",
    "fencing.redfish": "no such method is configured",
    "fencing.ssh": "no such method is configured",
    "fencing.watchdog.self_fence": "no watchdog is configured",
    "healthcheck.resource": "no such probe is configured",
    "healthcheck.systemd": "no such probe is configured",
    "httpx": "the operator's command has it",
    "prometheus_client": "nobody has scraped",
    "psutil": "no probe of resources is configured",
    "pydantic.v1": "FastAPI loads it for the first parameter of an endpoint, which is why none has any",
    "ruamel.yaml": "the file is read",
    "typer": "the operator's command has it",
}


def start_telling(host: Host) -> None:
    """Start the controller, which tells at its end what it has loaded."""
    host.process = ServerProcess([sys.executable, "-c", TELLING, str(host.config)], host.folder / "log")
    host.process.start()


def test_a_controller_loads_nothing_that_it_does_not_need(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root, names=("a",), session_timeout="10s") as alone:
        a = alone["a"]
        a.start_redis()
        start_telling(a)
        alone.the_active()
        assert a.post("/v1/pause", {"reason": "an order loads no more"}).status_code == 200
        assert a.get("/v1/history?limit=1") is not None
        assert a.post("/v1/resume").status_code == 200
        a.stop()
        loaded = set(eventually(lambda: a.log.partition("LOADED ")[2], 5, f"it tells\n{a.log}").split())
    assert {"kazoo.client", "fastapi", "failover.core.step"} <= loaded
    assert {name: why for name, why in NEEDLESS.items() if name in loaded} == {}
