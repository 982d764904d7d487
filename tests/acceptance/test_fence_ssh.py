"""A frozen controller is fenced over a real sshd: it and its Redis are really dead before the peer is promoted."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.acceptance.cluster import Cluster, Host, cluster, is_over
from tests.fencing.far_side import HELPER
from tests.servers import sshd as sshd_server
from tests.servers.sshd import Sshd, make_key
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

_MISSING = sshd_server.missing()
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=f"no sshd to test against, missing: {', '.join(_MISSING)}")


def chain_of(sshd: Sshd) -> Callable[[Mapping[str, Host]], dict[str, Any]]:
    """The only method is ssh to node a."""

    def made(hosts: Mapping[str, Host]) -> dict[str, Any]:
        method = {
            "kind": "ssh",
            "user": "root",
            "key": str(sshd.key),
            "known_hosts": str(sshd.known_hosts),
            "port": sshd.port,
            "unit": "cache-a.service",
            "ports": [hosts["a"].port],
            "connect_timeout": "2s",
            "timeout": "12s",
        }
        return {"methods": {"stop": method}, "accept_blocking": True}

    return made


@contextmanager
def started(zookeeper: ZooKeeper, root: str) -> Iterator[tuple[Cluster, Host, Host, Sshd]]:
    """a is active, b its standby; a's host lets in who may fence it."""
    with Sshd() as sshd, cluster(zookeeper.hosts, root, fencing=chain_of(sshd)) as pair:
        a, b = pair["a"], pair["b"]
        allowed = f"--service {pair.service} --unit cache-a.service --state-dir {a.folder}/state"
        service = f"--no-systemd --pidfile {a.folder}/redis.pid --port-owner {a.port}"
        sshd.let_in(f'restrict,command="{HELPER} --from-ssh {allowed} {service}"')
        pair.start("a", "b")
        eventually(lambda: b.role() == "standby", 10, f"b is standby\n{pair.logs()}")
        yield pair, a, b, sshd


def test_a_frozen_active_is_ended_with_its_service_before_the_peer_is_promoted(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with started(zookeeper, zk_root) as (pair, a, b, sshd):
        assert a.process is not None
        controller, redis = a.process.pid, a.redis_pid()
        assert controller is not None
        os.kill(controller, signal.SIGSTOP)
        eventually(b.active, 30, f"b is active\n{pair.logs()}\n{sshd.log()}")
        assert is_over(controller)
        assert is_over(redis)
        assert b.redis_role() == "master"
        words = "its controller is no unit of systemd there: start it by hand"
        eventually(lambda: words in str(b.status().get("to_do")), 30, f"b cannot give back, and says so\n{pair.logs()}")
        a.process.kill()
        a.start_redis()
        a.start()
        eventually(lambda: a.role() == "standby", 15, f"a comes back as a standby\n{pair.logs()}")
        eventually(lambda: words not in str(b.status().get("to_do", words)), 15, "nothing is left to do")


def test_a_wrong_host_key_promotes_nobody_and_the_status_says_why(zookeeper: ZooKeeper, zk_root: str) -> None:
    with started(zookeeper, zk_root) as (pair, a, b, sshd):
        assert a.process is not None
        assert a.process.pid is not None
        sshd.know(make_key(sshd.folder / "other"))
        os.kill(a.process.pid, signal.SIGSTOP)
        eventually(lambda: "its host key is another one" in str(b.status()), 30, f"b says why\n{pair.logs()}")
        assert not b.active()
        assert b.redis_role() == "slave"
        assert a.redis_role() == "master", "nothing was struck"
        sshd.know()
        eventually(b.active, 30, f"mended, b tries again by itself\n{pair.logs()}")
        assert is_over(a.process.pid or 0)
