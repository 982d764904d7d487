"""Orders: who may give which, how they are answered, and that no body whatever is a fault of the server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from failover.ports.controller import OrderRefused
from tests.api.fakes import InMemoryController, ServedController

BODIES: dict[str, dict[str, Any]] = {
    "switchover": {"reason": "kernel"},
    "failover": {"to": "db2", "force": True, "reason": "fire"},
    "pause": {"reason": "upgrade"},
    "resume": {},
    "drain": {"node": "db2"},
    "undrain": {"node": "db2"},
}
READ, OPERATE, ADMIN = "t-read", "t-operate", "t-admin"


@pytest.fixture
def ask(api: ServedController) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, trust_env=False) as client:
        yield client


@pytest.fixture
def local(api: ServedController) -> Iterator[httpx.Client]:
    with httpx.Client(base_url="http://local", transport=httpx.HTTPTransport(uds=str(api.socket))) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("order", BODIES)
def test_no_order_is_taken_without_a_token(ask: httpx.Client, controller: InMemoryController, order: str) -> None:
    answer = ask.post(f"/v1/{order}", json=BODIES[order])
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert controller.orders == []


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic dC1hZG1pbg==", "Bearer t-admi", "Bearer t-adminn", "Bearer t-admin x", "t-admin"],
)
def test_nothing_but_the_very_token_counts(ask: httpx.Client, controller: InMemoryController, header: str) -> None:
    answer = ask.post("/v1/resume", json={}, headers={"Authorization": header})
    assert answer.status_code == 401
    assert controller.orders == []


@pytest.mark.parametrize("order", BODIES)
@pytest.mark.parametrize("token", [READ, OPERATE, ADMIN])
def test_roles_bound_what_a_token_may_order(
    ask: httpx.Client, controller: InMemoryController, order: str, token: str
) -> None:
    answer = ask.post(f"/v1/{order}", json=BODIES[order], headers=bearer(token))
    may = token == ADMIN or (token == OPERATE and order != "failover")
    assert (answer.status_code < 300) is may
    assert bool(controller.orders) is may
    if not may:
        assert answer.status_code == 403
        assert "role" in answer.json()["detail"]


def test_a_forced_drain_needs_an_admin(ask: httpx.Client, controller: InMemoryController) -> None:
    body = {"node": "db1", "force": True}
    assert ask.post("/v1/drain", json=body, headers=bearer(OPERATE)).status_code == 403
    assert controller.orders == []
    assert ask.post("/v1/drain", json=body, headers=bearer(ADMIN)).status_code == 200
    assert controller.orders == [("drain", "db1", True, "root")]


def test_without_tokens_every_order_over_tcp_is_refused_with_what_to_configure(tmp_path: Path) -> None:
    controller = InMemoryController()
    with ServedController(controller, tmp_path, tokens=()) as api, httpx.Client(trust_env=False) as ask:
        for order, body in BODIES.items():
            answer = ask.post(f"{api.url}/v1/{order}", json=body, headers=bearer(ADMIN))
            assert answer.status_code == 403
            assert "tokens" in answer.json()["next"]
        assert ask.get(f"{api.url}/v1/status").status_code == 200
    assert controller.orders == []


@pytest.mark.parametrize("order", BODIES)
def test_the_local_socket_needs_no_token(local: httpx.Client, controller: InMemoryController, order: str) -> None:
    assert local.post(f"/v1/{order}", json=BODIES[order]).status_code < 300
    assert "(local)" in controller.orders[0][-1]


def test_no_header_makes_a_network_caller_local(ask: httpx.Client, controller: InMemoryController) -> None:
    forged = {"X-Forwarded-For": "127.0.0.1", "failover.local": "root", "Forwarded": "for=unix:", "Host": "local"}
    assert ask.post("/v1/pause", json={"reason": "x"}, headers=forged).status_code == 401
    assert controller.orders == []


def test_a_switchover_answers_202_with_a_record_to_poll(ask: httpx.Client, controller: InMemoryController) -> None:
    body = {"from": "db1", "to": "db2", "reason": "  kernel  "}
    answer = ask.post("/v1/switchover", json=body, headers=bearer(OPERATE))
    assert answer.status_code == 202
    assert controller.orders == [("switchover", "db1", "db2", "kernel", "dora")]
    location = answer.headers["location"]
    assert answer.json()["location"] == location
    assert answer.json()["state"] == "pending"
    seen = [ask.get(location).json()["state"] for _ in range(4)]
    assert seen[-1] == "done"
    assert ask.get(location).json()["ended"]["phases_ms"] == {"demoted": 120.0, "promoted": 310.5}


def test_an_order_that_leaves_the_source_open_is_logged_in_words(
    ask: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        ask.post("/v1/switchover", json={"to": "db2", "reason": "kernel"}, headers=bearer(OPERATE))
    assert "switchover from the active to db2: kernel" in caplog.text


def test_a_refused_order_is_logged_as_refused(
    ask: httpx.Client, controller: InMemoryController, caplog: pytest.LogCaptureFixture
) -> None:
    controller.refuse = OrderRefused("health", "db2 is unhealthy: disk full")
    with caplog.at_level("INFO"):
        ask.post("/v1/switchover", json={"to": "db2", "reason": "x"}, headers=bearer(OPERATE))
    assert "refused: " in caplog.text
    assert "db2 is unhealthy: disk full" in caplog.text


def test_a_refusal_names_the_check_that_failed(ask: httpx.Client, controller: InMemoryController) -> None:
    controller.refuse = OrderRefused("health", "db2 is unhealthy: disk full")
    answer = ask.post("/v1/switchover", json={"to": "db2", "reason": "x"}, headers=bearer(OPERATE))
    assert answer.status_code == 409
    told = answer.json()
    assert (told["check"], told["detail"], told["status"]) == ("health", "db2 is unhealthy: disk full", 409)
    controller.refuse = OrderRefused("target", "no live member is called db9", 404)
    assert ask.post("/v1/drain", json={"node": "db9"}, headers=bearer(OPERATE)).status_code == 404


def test_pause_and_drain_answer_with_the_standing_orders(ask: httpx.Client) -> None:
    told = ask.post("/v1/pause", json={"reason": "upgrade"}, headers=bearer(OPERATE)).json()
    assert told["pause"]["by"] == "dora"
    told = ask.post("/v1/drain", json={"node": "db2"}, headers=bearer(OPERATE)).json()
    assert told["drained"] == ["db2"]
    assert ask.post("/v1/resume", headers=bearer(OPERATE)).json()["pause"] is None


def test_a_pause_may_have_an_end(ask: httpx.Client, controller: InMemoryController) -> None:
    told = ask.post("/v1/pause", json={"reason": "upgrade", "for": "2h"}, headers=bearer(OPERATE)).json()
    assert told["pause"]["until"] == "2024-05-01T05:30:00Z"
    assert controller.orders == [("pause", "upgrade", "dora", 7200.0)]


@pytest.mark.parametrize("length", ["two hours", "0s", "8760h", 7200, ""])
def test_a_pause_of_a_length_that_is_none_is_refused(
    ask: httpx.Client, controller: InMemoryController, length: object
) -> None:
    answer = ask.post("/v1/pause", json={"reason": "upgrade", "for": length}, headers=bearer(OPERATE))
    assert (answer.status_code, controller.orders) == (422, [])
    (field,) = answer.json()["fields"]
    assert (field["field"], field["expected"]) == ("for", 'a duration, "2h" say; default: until resumed')


def test_no_order_is_given_to_a_controller_that_no_longer_looks(
    ask: httpx.Client, controller: InMemoryController
) -> None:
    """S11."""
    controller.now = 1100.0
    answer = ask.post("/v1/resume", json={}, headers=bearer(OPERATE))
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:failoverd:stale")
    assert controller.orders == []


@pytest.mark.parametrize(
    ("order", "body", "field", "words"),
    [
        ("switchover", {}, "reason", "is missing"),
        ("switchover", {"reason": "x", "too": "db2"}, "too", "one of from, to, reason"),
        ("switchover", {"reason": "x", "to": 5}, "to", "the name of a node"),
        ("switchover", {"reason": "two\nlines"}, "reason", "one line"),
        ("switchover", {"reason": "   "}, "reason", "a reason"),
        ("switchover", {"reason": "r" * 501}, "reason", "500"),
        ("switchover", {"reason": "x", "target": "db2"}, "target", "one of from, to, reason"),
        ("failover", {"to": "db2", "force": "yes"}, "force", "true"),
        ("failover", {"to": "db2", "force": False}, "force", "true"),
        ("failover", {"to": "db2"}, "force", "is missing"),
        ("drain", {"node": ""}, "node", "the name of a node"),
        ("drain", {"node": ["db2"]}, "node", "the name of a node"),
        ("undrain", {"node": None}, "node", "the name of a node"),
        ("resume", {"now": True}, "now", "no field"),
    ],
)
def test_bad_input_is_422_in_plain_words_by_field(
    ask: httpx.Client, controller: InMemoryController, order: str, body: Any, field: str, words: str
) -> None:
    answer = ask.post(f"/v1/{order}", json=body, headers=bearer(ADMIN))
    assert answer.status_code == 422
    told = answer.json()
    assert told["fields"][0]["field"] == field
    assert words in told["detail"]
    for jargon in ("pydantic", "Input should", "loc", "ctx", "string_type", "model"):
        assert jargon not in answer.text
    assert controller.orders == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b"[" * 20_000, b"NaN", b"{}garbage"]
)
def test_a_body_that_is_no_object_is_422(ask: httpx.Client, controller: InMemoryController, content: bytes) -> None:
    headers = {**bearer(ADMIN), "Content-Type": "application/json"}
    answer = ask.post("/v1/switchover", content=content, headers=headers)
    assert answer.status_code == 422
    assert "a JSON object" in answer.json()["detail"] or "is missing" in answer.json()["detail"]
    assert controller.orders == []


def test_a_body_of_another_type_is_422(ask: httpx.Client) -> None:
    answer = ask.post("/v1/pause", content=b'{"reason": "x"}', headers={**bearer(ADMIN), "Content-Type": "text/plain"})
    assert answer.status_code == 422
    assert "application/json" in answer.json()["detail"]


def test_a_large_body_is_413(ask: httpx.Client, controller: InMemoryController) -> None:
    body = {"reason": "r" * 70_000}
    assert ask.post("/v1/pause", json=body, headers=bearer(ADMIN)).status_code == 413
    assert controller.orders == []


def test_a_fault_in_an_order_is_a_500_without_its_traceback(ask: httpx.Client, controller: InMemoryController) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("secret detail")

    controller.refuse = None
    controller._take = fail  # type: ignore[method-assign]
    answer = ask.post("/v1/pause", json={"reason": "x"}, headers=bearer(ADMIN))
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["from", "to", "reason", "node", "force", "source", "target", "by", "", "\ud800", "caller"])
bodies = st.dictionaries(fields, anything, max_size=5) | anything


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.sampled_from([*BODIES, "peer/demote"]), body=bodies, raw=st.none() | st.binary(max_size=60))
def test_no_body_whatever_is_a_fault(local: httpx.Client, order: str, body: Any, raw: bytes | None) -> None:
    content = raw if raw is not None else as_json(body)
    answer = local.post(f"/v1/{order}", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


def as_json(body: Any) -> bytes:
    return json.dumps(body).encode()
