"""What Prometheus is told of two real daemons, before, during and after a failover."""

import httpx
import pytest

from tests.acceptance.cluster import Host, cluster
from tests.api.scrapes import Scraped, scrape
from tests.servers.wait import eventually
from tests.servers.zookeeper import ZooKeeper

LONG_SESSION = "10s"  # a host that is busy must not lose it in the middle


def of(host: Host) -> Scraped:
    """One scrape of that host's controller."""
    return scrape(host.client, f"http://{host.api}/metrics")


def shown(host: Host, name: str, **labels: str) -> float:
    """One value; -1 where it is not told, or nobody answers."""
    try:
        value = of(host).value(name, **labels)
    except httpx.TransportError:
        return -1.0
    return -1.0 if value is None else value


def test_a_failover_and_a_switchover_are_counted_by_cause_on_both_nodes(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root, position=True, session_timeout=LONG_SESSION) as pair:
        pair.start("a", "b")
        a, b = pair["a"], pair["b"]
        eventually(lambda: shown(a, "ready_standbys") == 1, 10, f"a sees that b could take over\n{pair.logs()}")
        eventually(lambda: shown(b, "position") >= 0, 10, "b tells its position")
        before = of(a)
        assert before.role() == "active"
        assert before.value("promotions_total", grounds="first") == 1
        assert before.value("hook_runs_total", hook="promote", verdict="done") == 1
        assert before.value("hook_duration_seconds_count", hook="promote") == 1
        assert before.value("takeover_duration_seconds_count") == 1
        assert before.value("store_session_timeout_seconds") == 10
        eventually(lambda: shown(a, "lease_remaining_seconds") > 0, 10, "the lease is renewed")
        assert (before.value("worst_case_seconds", case="crash") or 0) > 0
        eventually(lambda: shown(a, "renewal_duration_seconds_count") > 2, 10, "a renews")
        assert shown(b, "ready_standbys") == 0, "an active does not stand by"

        a.kill_redis()
        eventually(b.active, 10, f"b is active\n{pair.logs()}")
        eventually(lambda: of(a).role() == "standby", 15, f"a is standby\n{pair.logs()}")
        for host in (a, b):
            eventually(lambda host=host: shown(host, "moves_total", kind="failover") == 1, 5, "both have seen it")  # type: ignore[misc]
            assert shown(host, "last_move_time_seconds", kind="failover") > before.value("start_time_seconds")  # type: ignore[operator]
            assert shown(host, "recent_failovers") == 1
        after = of(b)
        assert after.role() == "active"
        assert after.value("promotions_total", grounds="clean") == 1
        assert (after.value("epoch") or 0) > (before.value("epoch") or 0)
        crashed, ill = (shown(a, "demotions_total", cause=cause) for cause in ("crash", "health"))
        assert crashed + ill == 1, "a busy host may hear of the port before it hears of the process"
        assert of(a).value("lock_held") == 0

        pair.switchover(b, a)
        for host in (a, b):
            eventually(lambda host=host: shown(host, "switchovers_total", outcome="done") == 1, 10, "both have seen it")  # type: ignore[misc]
            eventually(lambda host=host: shown(host, "moves_total", kind="switchover") == 1, 10, "both have seen it")  # type: ignore[misc]
            assert shown(host, "moves_total", kind="failover") == 1, "no second failover"
        assert shown(b, "demotions_total", cause="order") == 1


@pytest.mark.long
def test_a_blocked_fence_is_told_and_then_who_was_fenced_by_what(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root) as pair:
        (pair.folder / "fence-fails").touch()
        _, b = pair.freeze_the_active()
        eventually(lambda: shown(b, "fencing_blocked") == 1, 30, f"b cannot fence a\n{pair.logs()}")
        blocked = of(b)
        assert blocked.value("blocked") == 1
        assert blocked.value("role", role="active") == 0
        assert (blocked.value("failed_attempts") or 0) >= 1
        assert (blocked.value("fence_strikes_total", method="power", verdict="not_done") or 0) >= 1
        assert blocked.value("fences_total", verdict="done") == 0

        (pair.folder / "fence-fails").unlink()
        eventually(b.active, 20, f"b is active\n{pair.logs()}")
        fenced = of(b)
        assert (fenced.value("fencing_blocked"), fenced.value("blocked")) == (0, 0)
        assert fenced.value("fences_total", verdict="done") == 1
        assert fenced.value("fence_strikes_total", method="power", verdict="done") == 1
        assert (fenced.value("fence_strikes_total", method="ask", verdict="unknown") or 0) >= 1
        assert (fenced.value("fence_strike_duration_seconds_count", method="power") or 0) >= 2
        assert fenced.value("promotions_total", grounds="fenced") == 1
        assert fenced.value("fenced_nodes") == 1
        assert fenced.value("ready_standbys") == 0


@pytest.mark.long
def test_a_lease_that_runs_out_is_seen_while_the_store_is_away_s6_s11(zk_root: str) -> None:
    with ZooKeeper() as server, cluster(server.hosts, zk_root) as pair:
        pair.start("a")
        a = pair["a"]
        server.stop()
        eventually(lambda: shown(a, "store_connected") == 0, 15, "a has noticed")
        eventually(lambda: shown(a, "lock_proven") == 0, 15, "the lease has run out")
        away = of(a)
        assert away.role() == "active"
        assert (away.value("lease_remaining_seconds") or 0) < 0
        assert away.value("ready_standbys") is None, "with the store away nobody knows"
        eventually(lambda: shown(a, "renewals_total", outcome="unknown") > 0, 10, "renewals fail")
        server.start()
        eventually(lambda: shown(a, "lock_proven") == 1, 20, f"proven again\n{pair.logs()}")
        assert shown(a, "store_events_total", event="connection_lost") >= 1


@pytest.mark.long
def test_a_restarted_controller_says_that_it_carries_on(zookeeper: ZooKeeper, zk_root: str) -> None:
    with cluster(zookeeper.hosts, zk_root, session_timeout=LONG_SESSION) as pair:
        pair.start("a")
        a = pair["a"]
        epoch = shown(a, "epoch")
        assert a.process is not None
        a.process.kill()
        a.start()
        eventually(lambda: shown(a, "adoptions_total", outcome="trusted") == 1, 15, f"a carries on\n{pair.logs()}")
        assert (of(a).role(), shown(a, "epoch"), shown(a, "recent_adoptions")) == ("active", epoch, 1)
