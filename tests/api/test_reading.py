"""Reads: status, cluster, history, operations, events."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from failover.api.events import MOST_STREAMS
from failover.core.values import Breadcrumb, Control, Health, Lock, Pause, Role, Switchover
from failover.ports.controller import Operation, OrderRefused
from tests.api.fakes import DB1, DB2, InMemoryController, ServedController, active_snapshot, member, standby_snapshot
from tests.servers.wait import eventually


@pytest.fixture
def ask(api: ServedController) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, trust_env=False) as client:
        yield client


def test_status_tells_what_the_controller_knows(ask: httpx.Client) -> None:
    told = ask.get("/v1/status").json()
    assert told["service"] == "orders-db"
    assert (told["node"], told["role"], told["epoch"], told["health"]) == ("db1", "active", 7, "healthy")
    assert told["lock"] == {
        "held": True,
        "proven": True,
        "proven_age_s": 0.5,
        "lease_s": 3.0,
        "holder": {"node": "db1", "czxid": 7},
    }
    assert told["recent"][0]["to"] == "active"


def test_reads_are_open_and_leave_fence_facts_out(ask: httpx.Client) -> None:
    for path in ("/v1/status", "/v1/cluster", "/v1/history", "/"):
        answer = ask.get(path)
        assert answer.status_code == 200
        assert "10.0.9.11" not in answer.text


def test_cluster_tells_the_active_and_since_when(ask: httpx.Client) -> None:
    told = ask.get("/v1/cluster").json()
    assert told["active"] == {
        "node": "db1",
        "epoch": 7,
        "address": "10.0.0.11:8300",
        "since": "2024-05-01T03:00:00Z",
    }
    assert [each["node"] for each in told["members"]] == ["db1", "db2"]
    assert told["to_do"] == []


def test_a_standby_names_the_active_it_sees(ask: httpx.Client, controller: InMemoryController) -> None:
    controller.shown = standby_snapshot()
    controller.lines = [
        {"at": "2024-05-01T01:00:00Z", "node": "db1", "from": "promoting", "to": "active", "epoch": 5},
        {"at": "2024-05-01T02:00:00Z", "node": "db1", "from": "promoting", "to": "active", "epoch": 7},
        {"at": "2024-05-01T02:30:00Z", "node": "db1", "from": "active", "to": "active", "epoch": 7},
    ]
    told = ask.get("/v1/cluster").json()
    assert told["active"]["node"] == "db1"
    assert told["active"]["since"] == "2024-05-01T02:00:00Z"


@pytest.mark.parametrize(
    "shown",
    [
        {"connected": False},  # what was seen of others before is not told as if it were so
        {"holder": None},
        {"members": (member(DB1, Role.PROMOTING), member(DB2))},
        {"members": (member(DB2),)},
        {"holder": Lock(9, "s2", "db2")},
    ],
)
def test_nobody_is_called_active_without_lock_and_record(
    ask: httpx.Client, controller: InMemoryController, shown: dict[str, object]
) -> None:
    """S11."""
    controller.shown = standby_snapshot(**shown)
    told = ask.get("/v1/cluster").json()
    assert told["active"] is None
    assert not any(each["active"] for each in told["members"])


def test_an_active_that_holds_through_a_store_outage_is_told_with_its_unproven_lock(
    ask: httpx.Client, controller: InMemoryController
) -> None:
    """S6, S11."""
    controller.shown = active_snapshot(connected=False, proven_s=990.0)
    told = ask.get("/v1/cluster").json()
    assert told["active"]["node"] == "db1"
    assert told["lock"]["proven"] is False
    assert any("unproven" in entry["problem"] for entry in told["to_do"])


def test_an_ill_active_that_stays_is_told_with_what_its_probe_says(
    ask: httpx.Client, controller: InMemoryController
) -> None:
    ill = member(DB1, Role.ACTIVE, health=Health.UNHEALTHY, why="healthy again")
    controller.shown = active_snapshot(
        health=Health.UNHEALTHY, health_detail="tcp 5432: refused", members=(ill, member(DB2))
    )
    told = ask.get("/v1/cluster").json()
    assert "its service is unhealthy: tcp 5432: refused" in told["members"][0]["reasons"]
    assert told["members"][0]["next"] == ["mend the service on db1"]
    problems = [each["problem"] for each in told["to_do"]]
    assert problems == ["the service on db1 is unhealthy: tcp 5432: refused"]


def test_why_not_active_is_told_in_reasons_and_steps(ask: httpx.Client, controller: InMemoryController) -> None:
    control = Control(1, pause=Pause("dora", "upgrade"), drained=frozenset({"db2"}))
    members = (
        member(DB1, Role.ACTIVE),
        member(DB2, Role.OUT, health=Health.UNHEALTHY, barred="the configuration says candidate: false", settled=False),
    )
    controller.shown = active_snapshot(control=control, members=members, standby_stopped=False)
    db2 = ask.get("/v1/cluster").json()["members"][1]
    told = " ".join(db2["reasons"])
    for word in ("upgrade", "drained", "unhealthy", "candidate: false", "not yet made certain", "db1 holds the lock"):
        assert word in told
    assert "failoverctl undrain db2" in db2["next"]
    assert "failoverctl resume" in db2["next"]


def test_a_stopped_standbys_health_is_nothing_to_do(ask: httpx.Client, controller: InMemoryController) -> None:
    members = (member(DB1, Role.ACTIVE), member(DB2, health=Health.NOT_RESPONDING))
    controller.shown = active_snapshot(members=members, standby_stopped=True)
    assert ask.get("/v1/cluster").json()["to_do"] == []
    controller.shown = active_snapshot(members=members, standby_stopped=False)
    assert "db2 is not responding" in ask.get("/v1/cluster").json()["to_do"][0]["problem"]


def test_what_would_move_after_resuming_is_told_under_a_pause(
    ask: httpx.Client, controller: InMemoryController
) -> None:
    paused = Control(1, pause=Pause("dora", "upgrade"))
    controller.shown = standby_snapshot(control=paused, holder=None, breadcrumb=Breadcrumb(DB1, 7, "boot-1"))
    told = ask.get("/v1/cluster").json()["after_resume"]
    assert any("db1" in line and "fenced" in line for line in told)
    controller.shown = standby_snapshot(control=paused)
    assert ask.get("/v1/cluster").json()["after_resume"] == []


def test_a_switchover_under_way_is_in_the_cluster(ask: httpx.Client, controller: InMemoryController) -> None:
    order = Switchover("id-1", "db1", None, 7, "kernel", "dora", "2024-05-01T04:00:00Z")
    controller.shown = active_snapshot(control=Control(1, switchover=order))
    told = ask.get("/v1/cluster").json()["switchover"]
    assert (told["from"], told["to"], told["reason"]) == ("db1", None, "kernel")


def test_history_gives_the_latest_lines(ask: httpx.Client, controller: InMemoryController) -> None:
    controller.lines = [{"at": str(number), "why": "x"} for number in range(150)]
    told = ask.get("/v1/history").json()
    assert len(told["history"]) == 100
    assert told["history"][-1]["at"] == "149"
    assert len(ask.get("/v1/history?limit=3").json()["history"]) == 3


def test_without_the_history_the_rest_is_still_told(ask: httpx.Client, controller: InMemoryController) -> None:
    controller.lines = [{"at": "noon", "why": "x"}]
    controller.refuse = OrderRefused("store", "the store does not answer: the history cannot be read now", 503)
    assert ask.get("/v1/cluster").json()["active"]["node"] == "db1"
    assert ask.get("/").status_code == 200
    answer = ask.get("/v1/history")
    assert (answer.status_code, answer.json()["check"]) == (503, "store")


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "many", ""])
def test_an_impossible_limit_is_refused_in_plain_words(ask: httpx.Client, limit: str) -> None:
    answer = ask.get(f"/v1/history?limit={limit}")
    assert answer.status_code == 422
    assert "limit" in answer.json()["detail"]
    assert "from 1 to 1000" in answer.json()["detail"]


def test_an_operation_is_found_by_its_id_or_is_a_404(ask: httpx.Client, controller: InMemoryController) -> None:
    controller.operations["op-9"] = Operation("op-9", "switchover", "pending", "db1 hands over")
    assert ask.get("/v1/operations/op-9").json()["state"] == "pending"
    missing = ask.get("/v1/operations/op-0")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"


def test_events_come_with_every_change_and_say_when_stale(ask: httpx.Client, controller: InMemoryController) -> None:
    """S11."""
    with ask.stream("GET", "/v1/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines) == "event: status"
        assert json.loads(next(lines).removeprefix("data: "))["role"] == "active"
        assert next(lines) == ""
        controller.shown = active_snapshot(role=Role.DEMOTING)
        assert next(lines) == "event: status"
        assert json.loads(next(lines).removeprefix("data: "))["role"] == "demoting"
        assert next(lines) == ""
        controller.shown, controller.now = active_snapshot(epoch=8), 1100.0
        assert next(lines) == "event: stale"
        assert "role" not in json.loads(next(lines).removeprefix("data: "))


def test_there_is_a_limit_on_streams_and_a_closed_one_makes_room(api: ServedController) -> None:
    with httpx.Client(base_url=api.url, trust_env=False) as ask:
        with ExitStack() as streams:
            for _ in range(MOST_STREAMS):
                stream = streams.enter_context(ask.stream("GET", "/v1/events"))
                lines = stream.iter_lines()
                streams.callback(lines.close)  # type: ignore[attr-defined]
                assert next(lines) == "event: status"
            assert ask.get("/v1/events").status_code == 503
            assert ask.get("/active").status_code == 200

        def room() -> bool:
            with ask.stream("GET", "/v1/events") as again:
                return again.status_code == 200

        eventually(room, 5.0, "a stream is free again")


def test_what_is_not_there_is_a_problem(ask: httpx.Client) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("GET", "/active/", 404),
        ("DELETE", "/v1/status", 405),
        ("GET", "/v1/switchover", 405),
        ("POST", "/active", 405),
    ):
        answer = ask.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert answer.json()["instance"] == path
    assert ask.delete("/v1/status").headers["allow"] == "GET"


def test_a_fault_inside_is_a_problem_without_its_traceback(ask: httpx.Client, controller: InMemoryController) -> None:
    controller.fault = ZeroDivisionError("secret detail")
    for path in ("/v1/status", "/active", "/"):
        answer = ask.get(path)
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "secret detail" not in answer.text
        assert "Traceback" not in answer.text


def test_the_description_names_every_endpoint_and_the_docs_need_no_other_host(ask: httpx.Client) -> None:
    paths = ask.get("/openapi.json").json()["paths"]
    orders = {"switchover", "failover", "pause", "resume", "drain", "undrain", "peer/demote"}
    reads = {"status", "cluster", "history", "operations/{id}", "events"}
    assert {f"/v1/{name}" for name in orders | reads} <= set(paths)
    assert {"/live", "/ready", "/active", "/standby", "/healthy"} <= set(paths)
    docs = ask.get("/docs")
    assert docs.status_code == 200
    for outside in ("http://", "https://", "//cdn"):
        assert outside not in docs.text.replace("http://www.w3.org/2000/svg", "")


def test_whatever_the_description_refers_to_is_in_it(ask: httpx.Client) -> None:
    answer = ask.get("/openapi.json")
    named = set(re.findall(r'"\$ref":"#/components/schemas/(\w+)"', answer.text))
    assert "SwitchoverOrder" in named
    assert named == set(answer.json()["components"]["schemas"])
