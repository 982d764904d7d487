"""Whole failovers that rest on a word: an operator's (`manual`), or that of the service's storage (`epoch`)."""

import os
import signal
from typing import Any

from tests.acceptance.cluster import Host, cluster
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

WAITS = {"methods": {"human": {"kind": "manual", "timeout": "60s"}}}
REFUSED = "its storage refuses what comes with an older epoch"
TOLD_BY_EPOCH = {"methods": {"storage": {"kind": "epoch", "because": REFUSED}}}


def confirm(host: Host, node: str, **more: Any) -> int:
    told = host.post(f"/v1/fence/{node}/confirm", {"reason": "its plug is pulled", **more})
    return told.status_code


def test_the_chain_waits_for_an_operator_and_ends_at_once_when_one_has_confirmed(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with cluster(zookeeper.hosts, zk_root, fencing=lambda _: WAITS) as pair:
        a, b = pair.freeze_the_active()
        eventually(lambda: b.role() == "fencing", 20, f"b waits for somebody\n{pair.logs()}")
        assert not b.active()
        assert confirm(b, "b") == 409, "b was not active last"
        a.kill_redis()  # the operator makes sure
        assert a.process is not None
        a.process.kill()
        assert confirm(b, "a") in (200, 202)
        eventually(b.active, 10, f"b is active\n{pair.logs()}")
        assert "confirmed that a is not active: its plug is pulled" in str(b.status()["why"])


def test_where_the_storage_refuses_an_older_epoch_nobody_is_struck_and_the_reason_is_told(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with cluster(zookeeper.hosts, zk_root, fencing=lambda _: TOLD_BY_EPOCH) as pair:
        a, b = pair.freeze_the_active()
        eventually(b.active, 20, f"b is active\n{pair.logs()}")
        assert a.redis_role() == "master", "nobody has struck it"
        assert REFUSED in b.log
        assert a.process is not None
        assert a.process.pid is not None
        os.kill(a.process.pid, signal.SIGCONT)
        eventually(lambda: a.redis_role() == "slave", 20, f"a demotes when it wakes up\n{pair.logs()}")
