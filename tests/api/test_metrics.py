"""`/metrics`: what a snapshot says, in Prometheus' own forms."""

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families

from failover.core.values import Control, Node, Pause, Role, Verdict
from failover.ports.fences import FenceSight, Known, MethodTold
from failover.ports.measures import QUICK_S, Asked, Fitness, Measures, ProbeTold, Spreading
from failover.ports.service import Traits
from failover.runtime.tally import Tally
from tests.api.fakes import DB2, InMemoryController, ServedController, active_snapshot, standby_snapshot
from tests.api.scrapes import Scraped, scrape


@pytest.fixture
def ask(api: ServedController) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, trust_env=False) as client:
        yield client


def test_an_active_node_tells_one_role_its_lock_and_its_epoch(ask: httpx.Client) -> None:
    told = scrape(ask)
    assert told.role() == "active"
    assert told.value("role", role="active") == 1
    assert told.value("role", role="standby") == 0
    assert (told.value("lock_held"), told.value("lock_proven"), told.value("epoch")) == (1, 1, 7)
    assert told.value("lock_proof_age_seconds") == 0.5
    assert told.value("active_known") == 1
    assert told.value("snapshot_stale") == 0
    assert told.families["process_resident_memory_bytes"].samples[0].value > 0


def test_it_is_open_and_comes_as_prometheus_text_or_as_open_metrics_where_that_is_asked_for(
    ask: httpx.Client, controller: InMemoryController
) -> None:
    controller.shown = active_snapshot(measures=Tally(lambda: 1000.0).told())
    plain = ask.get("/metrics")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert plain.headers["cache-control"] == "no-store"
    wanted = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    other = ask.get("/metrics", headers={"Accept": wanted})
    assert other.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in open_metrics_families(other.text)}
    assert families["failoverd_lock_proof_age_seconds"].unit == "seconds"
    assert families["failoverd_moves"].type == "counter"


def test_a_stale_snapshot_tells_that_it_is_stale_and_nothing_else_of_the_node_s11(
    ask: httpx.Client, controller: InMemoryController
) -> None:
    controller.now = 1100.0
    told = scrape(ask)
    ours = {name for name in told.families if name.startswith("failoverd_")}
    assert ours == {
        "failoverd_build_info",
        "failoverd_start_time_seconds",
        "failoverd_snapshot_age_seconds",
        "failoverd_snapshot_stale",
    }
    assert told.value("snapshot_stale") == 1
    assert told.value("snapshot_age_seconds") == 100
    assert "active" not in told.text


def test_a_fault_inside_is_a_problem_without_its_traceback(ask: httpx.Client, controller: InMemoryController) -> None:
    controller.fault = ZeroDivisionError("secret detail")
    answer = ask.get("/metrics")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text


def test_the_lease_runs_down_to_the_step_down_and_below(ask: httpx.Client, controller: InMemoryController) -> None:
    controller.shown = active_snapshot(step_down_s=1001.0, renew_every_s=1.0)
    told = scrape(ask)
    assert told.value("renewal_interval_seconds") == 1.0
    assert told.value("lease_remaining_seconds") == 1.0
    assert told.value("lease_seconds") == 1.5
    controller.now = 1002.0
    assert scrape(ask).value("lease_remaining_seconds") == -1.0


def test_a_standby_has_no_lease_and_no_proof(ask: httpx.Client, controller: InMemoryController) -> None:
    controller.shown = standby_snapshot(step_down_s=None, renew_every_s=1.0)
    told = scrape(ask)
    assert told.role() == "standby"
    assert told.value("lock_proven") == 0
    for name in ("lock_proof_age_seconds", "lease_remaining_seconds", "lease_seconds", "renewal_interval_seconds"):
        assert told.value(name) is None


def test_orders_are_told(ask: httpx.Client, controller: InMemoryController) -> None:
    pause = Pause("dora", "work", "2024-05-01T03:30:00+00:00")
    controller.shown = active_snapshot(control=Control(2, pause=pause, drained=frozenset({"db1"})))
    told = scrape(ask)
    assert (told.value("paused"), told.value("drained")) == (1, 1)
    assert told.value("pause_start_time_seconds") == 1714534200
    controller.shown = active_snapshot(control=Control(2, pause=Pause("dora", "work", "yesterday")))
    assert scrape(ask).value("pause_start_time_seconds") is None, "a record that somebody has edited"


def test_standbys_are_counted_only_while_the_store_answers(ask: httpx.Client, controller: InMemoryController) -> None:
    controller.shown = active_snapshot(fitness=Fitness(can_take_over=("db2",), position=90, lag=10))
    told = scrape(ask)
    assert (told.value("ready_standbys"), told.value("position"), told.value("position_lag")) == (1, 90, 10)
    controller.shown = replace(controller.shown, connected=False)
    assert scrape(ask).value("ready_standbys") is None


def probe(name: str) -> ProbeTold:
    took = Spreading(QUICK_S)
    took.add(0.003)
    took.add(99.0)
    return ProbeTold(name, True, "healthy", {"unhealthy": 1, "not_responding": 2}, 4, took.told())


def test_a_probe_is_told_by_what_it_asks_without_anything_secret(
    ask: httpx.Client, controller: InMemoryController
) -> None:
    names = (
        "tcp 127.0.0.1:5432",
        "http http://me:pass@10.0.0.1:80/health?token=t0p",
        "command /etc/failoverd/check --password hush",
        "command true",
    )
    controller.shown = active_snapshot(measures=Measures(probes=tuple(map(probe, names))))
    told = scrape(ask)
    for word in ("tcp 127.0.0.1:5432", "http http://10.0.0.1:80/health", "command", "command #2"):
        assert told.value("probe_health", probe=word, health="healthy") == 1
        assert told.value("probe_health", probe=word, health="unhealthy") == 0
        assert told.value("probe_failures_total", probe=word, health="not_responding") == 2
        assert told.value("probe_excused_total", probe=word) == 4
        assert told.value("probe_duration_seconds_bucket", probe=word, le="0.0025") == 0
        assert told.value("probe_duration_seconds_bucket", probe=word, le="5.0") == 1
        assert told.value("probe_duration_seconds_bucket", probe=word, le="+Inf") == 2
        assert told.value("probe_duration_seconds_count", probe=word) == 2
    for secret in ("pass@", "t0p", "hush"):
        assert secret not in told.text


def test_proofs_are_told_of_peers_that_are_there_only(ask: httpx.Client, controller: InMemoryController) -> None:
    struck = Asked("power", {"done": 1, "not_done": 0, "unknown": 2}, Spreading(QUICK_S).told())
    known = (
        Known(DB2, "power", proof=Verdict.DONE, proved_s=940.0),
        Known(Node("db2", "another machine"), "power", proof=Verdict.DONE, proved_s=1.0),
        Known(Node("gone", "machine-9"), "power", quarantine="it lies"),
        Known(DB2, "forgotten", quarantine="it lies"),
        Known(DB2, "spare", proof=Verdict.UNKNOWN, proved_s=990.0, failures=3, quarantine="it lies"),
    )
    methods = tuple(MethodTold(name, 5.0, Traits()) for name in ("power", "spare"))
    sight = FenceSight(methods=methods, every_s=60.0, known=known, fenceable=("db2",), stale=(), struck=(struck,))
    controller.shown = active_snapshot(fences=sight, fencing_blocked=True, blocked="fence db2")
    told = scrape(ask)
    assert told.value("fence_probe_age_seconds", peer="db2", method="power") == 60
    assert told.value("fence_probe_done", peer="db2", method="power") == 1
    assert told.value("fence_quarantined", peer="db2", method="power") == 0
    assert told.value("fence_quarantined", peer="db2", method="spare") == 1
    assert told.value("fence_probe_failures", peer="db2", method="spare") == 3
    assert told.value("fence_peer_proven", peer="db2") == 1
    assert told.value("fence_peer_usable", peer="db2") == 1
    assert told.value("fence_peer_stale", peer="db2") == 0
    assert told.value("fence_strikes_total", method="power", verdict="unknown") == 2
    assert (told.value("fencing_blocked"), told.value("blocked")) == (1, 1)
    assert "gone" not in told.text.replace('outcome="gone"', "")
    assert "forgotten" not in told.text


def test_facts_that_only_fencing_needs_are_not_told(ask: httpx.Client) -> None:
    assert "10.0.9.11" not in ask.get("/metrics").text


def test_no_role_but_the_snapshots_own_is_ever_the_present_one(
    ask: httpx.Client, controller: InMemoryController
) -> None:
    for role in Role:
        controller.shown = active_snapshot(role=role)
        assert Scraped(ask.get("/metrics").text).role() == role.value
