"""Two real controllers whose APIs speak https: health checks, orders, and the demand of a peer."""

import json
from pathlib import Path

import pytest

from tests.acceptance.cluster import cluster
from tests.servers.authority import Authority
from tests.servers.proxy import Relay
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper


def test_a_holder_that_is_cut_off_from_zookeeper_is_demoted_by_its_peer_over_https(
    zookeeper: ZooKeeper, zk_root: str, relay: Relay, tmp_path: Path
) -> None:
    hosts = {"a": relay.hosts, "b": zookeeper.hosts}
    with cluster(hosts, zk_root, authority=Authority(tmp_path / "ca")) as pair:  # type: ignore[arg-type]
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        assert a.post("/v1/pause", token=None).status_code == 401
        done = pair.ctl(b, "fence", "plan", "a")
        assert "https://" in done.stdout, done.stdout + done.stderr
        relay.freeze()
        eventually(b.active, 20, f"b takes over\n{pair.logs()}")
        eventually(lambda: a.redis_role() == "slave", 10, "a was demoted")
        assert not pair.fenced(), "the controller of a answered, so no stronger method was needed"
        relay.heal()


@pytest.mark.long
def test_a_cluster_moves_to_https_one_controller_after_the_other(
    zookeeper: ZooKeeper, zk_root: str, relay: Relay, tmp_path: Path
) -> None:
    """The active was claimed before it spoke https, and carries on: its breadcrumb knows nothing of that."""
    authority, hosts = Authority(tmp_path / "ca"), {"a": relay.hosts, "b": zookeeper.hosts}
    with cluster(hosts, zk_root, on_stop="keep", session_timeout="14s") as pair:  # type: ignore[arg-type]
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, "b is standby")
        epoch = a.status()["epoch"]
        for host in (b, a):
            written = json.loads(host.config.read_text())
            written["api"].update(pair._tls(host, authority))
            host.config.write_text(json.dumps(written))
            host.stop()
            host.start()
            eventually(lambda host=host: host.role() in ("active", "standby"), 25, f"it carries on\n{pair.logs()}")  # type: ignore[misc]
        assert (a.active(), a.status()["epoch"]) == (True, epoch)
        relay.freeze()
        eventually(b.active, 40, f"b takes over\n{pair.logs()}")
        eventually(lambda: a.redis_role() == "slave", 10, "a was demoted")
        assert not pair.fenced(), "the controller of a answered, so no stronger method was needed"
        relay.heal()
