"""Two real PostgreSQL servers under two controllers and a real ZooKeeper, with the hooks that are shipped."""

from __future__ import annotations

import pytest

from tests.acceptance.postgresql_cluster import PostgresCluster, PostgresHost, postgresql_cluster
from tests.servers import postgresql
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

pytestmark = pytest.mark.skipif(bool(postgresql.missing()), reason=f"no PostgreSQL: {', '.join(postgresql.missing())}")


def begin(pair: PostgresCluster) -> tuple[PostgresHost, PostgresHost]:
    """Both controllers meet servers that are down; a becomes active, b follows."""
    a, b = pair["a"], pair["b"]
    a.start()
    eventually(a.active, 40, f"a is active\n{a.log}")
    b.start()
    follows(pair, b)
    return a, b


def follows(pair: PostgresCluster, host: PostgresHost) -> None:
    """It is a standby that may be promoted, and streams."""
    eventually(lambda: host.role() == "standby" and host.pg.streams(), 60, f"{host.name} follows\n{pair.logs()}")
    eventually(lambda: host.pg.hook("ready").returncode == 0, 20, f"{host.name} has caught up")


def test_a_crashed_primary_is_replaced_without_a_loss_comes_back_by_itself_and_can_be_switched_back(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with postgresql_cluster(zookeeper.hosts, zk_root) as pair:
        a, b = begin(pair)
        assert a.pg.insert(1)
        a.pg.kill()
        eventually(b.active, 40, f"b is active\n{pair.logs()}")
        assert b.pg.orders() == {1}, "what was acknowledged before the crash is there"
        follows(pair, a)
        assert b.pg.insert(2), "a is there again, so a strict commit is acknowledged"
        for target, number in ((a, 3), (b, 4)):
            pair.switchover(b, target)
            follows(pair, b if target is a else a)
            assert target.pg.insert(number)
        assert a.pg.orders() == b.pg.orders() == {1, 2, 3, 4}
        assert not pair.fenced(), "every one of them stepped down cleanly"


@pytest.mark.long
def test_a_lost_host_is_fenced_and_its_diverged_data_is_rewound_when_it_comes_back(
    zookeeper: ZooKeeper, zk_root: str
) -> None:
    with postgresql_cluster(zookeeper.hosts, zk_root) as pair:
        a, b = begin(pair)
        assert a.pg.insert(1)
        b.pg.sql("ALTER SYSTEM SET primary_conninfo = ''")
        b.pg.sql("SELECT pg_reload_conf()")
        eventually(lambda: not b.pg.streams(), 10, "b gets nothing any more")
        assert a.pg.insert(666, commit="local")
        assert a.process is not None
        a.process.kill()
        assert a.pg.role() == "active", "a controller that is killed leaves its service alone"
        eventually(b.active, 60, f"b fences a and is active\n{pair.logs()}")
        assert set(pair.fenced()) == {"b fences a"}
        assert not a.pg.processes()
        assert b.pg.orders() == {1}
        a.start()
        follows(pair, a)
        assert b.pg.insert(2)
        assert a.pg.orders() == {1, 2}, "666 was never acknowledged by two nodes: the rewind took it away"
