"""A stop that meets an ensemble without a quorum waits a while for it, so that the peer need not fence (S3)."""

import os
import signal

import pytest

from tests.acceptance.cluster import cluster
from tests.servers import zookeeper as zookeeper_server
from tests.servers.ensemble import Ensemble
from tests.servers.wait import eventually

pytestmark = [
    pytest.mark.zookeeper,
    pytest.mark.skipif(bool(zookeeper_server.missing()), reason="no ZooKeeper: scripts/install-test-needs installs it"),
]


def test_an_active_stopped_during_an_election_hands_over_once_there_is_a_leader_again(
    ensemble: Ensemble, zk_root: str
) -> None:
    with cluster(ensemble.hosts, zk_root, session_timeout="30s") as pair:
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: b.role() == "standby", 10, f"b is standby\n{pair.logs()}")
        for one, other in ((0, 1), (0, 2), (1, 2)):
            ensemble.cut(ensemble.servers[one], ensemble.servers[other])
        eventually(
            lambda: a.status().get("store", {}).get("connected") is False,
            20,
            f"no server serves a any more\n{pair.logs()}",
        )
        assert a.process is not None
        assert a.process.pid is not None
        os.kill(a.process.pid, signal.SIGTERM)
        eventually(lambda: "waiting for the store, to hand the lock over" in a.log, 10, f"a waits\n{pair.logs()}")
        assert a.redis_role() == "slave", "the service itself has been demoted already"
        ensemble.heal()
        eventually(b.active, 30, f"b takes over\n{pair.logs()}")
        eventually(lambda: a.process is not None and not a.process.running, 10, f"a has ended\n{pair.logs()}")
        assert "ending with exit code 0: stopped" in a.log
        assert not pair.fenced(), "a had handed over"
