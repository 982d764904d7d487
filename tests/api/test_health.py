"""The health checks over a real server (S11, S6)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from failover.core.values import Health, Role, ServiceRole
from tests.api.fakes import InMemoryController, ServedController, active_snapshot, standby_snapshot

CHECKS = ("live", "ready", "active", "standby", "healthy")


def status_of(api: ServedController, path: str, method: str = "GET") -> httpx.Response:
    return httpx.request(method, api.url + path, trust_env=False)


@pytest.mark.parametrize(
    ("check", "expected"), [("live", 200), ("ready", 200), ("active", 200), ("standby", 503), ("healthy", 200)]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_an_active_node_answers_each_check_by_every_method(
    api: ServedController, check: str, expected: int, method: str
) -> None:
    answer = status_of(api, f"/{check}", method)
    assert answer.status_code == expected
    if method == "HEAD":
        assert answer.content == b""
    else:
        assert answer.json()["ok"] is (expected == 200)
        assert answer.json()["why"]


@pytest.mark.parametrize("check", CHECKS)
def test_a_stale_snapshot_is_503_and_never_says_active(
    api: ServedController, controller: InMemoryController, check: str
) -> None:
    """S11."""
    controller.now = 1003.5
    answer = status_of(api, f"/{check}")
    assert answer.status_code == 503
    told = answer.json()
    assert "role" not in told
    assert "X-Lock" not in answer.headers
    assert "active" not in told["why"]


@pytest.mark.parametrize("path", ["/v1/status", "/v1/cluster", "/v1/may-start"])
def test_a_stale_snapshot_makes_reads_a_problem(
    api: ServedController, controller: InMemoryController, path: str
) -> None:
    """S11."""
    controller.now = 1010.0
    answer = status_of(api, path)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:failoverd:stale"
    assert answer.json()["age_s"] == 10.0
    assert "active" not in answer.text


@pytest.mark.parametrize(
    ("shown", "plain", "proven", "lock"),
    [
        ({}, 200, 200, "proven"),
        ({"connected": False}, 200, 200, "proven"),  # the store has just gone: the lease still runs
        ({"connected": False, "proven_s": 996.9}, 200, 503, "unproven"),
        ({"proven_s": 997.0}, 200, 503, "unproven"),  # exactly as old as the lease is too old
        ({"proven_s": None}, 200, 503, "unproven"),
        ({"lease_s": None}, 200, 503, "unproven"),
        ({"connected": False, "proven_s": 996.9, "on_store_loss": "step_down"}, 503, 503, "unproven"),
        ({"lock_held": False}, 503, 503, "unproven"),
    ],
)
def test_active_says_whether_the_lock_is_proven(
    api: ServedController,
    controller: InMemoryController,
    shown: dict[str, Any],
    plain: int,
    proven: int,
    lock: str,
) -> None:
    """S6 and S11: `hold` goes on unproven, and says so; `?proven` wants a renewal younger than the lease."""
    controller.shown = active_snapshot(**shown)
    answer = status_of(api, "/active")
    assert (answer.status_code, answer.headers["X-Lock"]) == (plain, lock)
    for query in ("?proven", "?proven=1", "?proven=true"):
        assert status_of(api, f"/active{query}").status_code == proven
    assert status_of(api, "/active?proven=0").status_code == plain


def test_a_check_waits_until_the_predecessors_session_has_been_adopted(
    api: ServedController, controller: InMemoryController
) -> None:
    controller.shown = standby_snapshot(role=Role.STARTING, adopting=True)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(status_of, api, "/active?proven")
        assert status_of(api, "/live").status_code == 200, "the controller lives, that much is known"
        assert not asked.done()
        controller.shown = active_snapshot()
        assert asked.result(5).status_code == 200


def test_an_adoption_that_does_not_come_to_an_end_is_a_no(
    api: ServedController, controller: InMemoryController
) -> None:
    controller.shown = standby_snapshot(role=Role.STARTING, adopting=True)
    assert status_of(api, "/active").status_code == 503


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ACTIVE])
def test_no_other_role_is_active(api: ServedController, controller: InMemoryController, role: Role) -> None:
    controller.shown = active_snapshot(role=role)
    answer = status_of(api, "/active")
    assert answer.status_code == 503
    assert role in answer.json()["why"]


@pytest.mark.parametrize(
    ("role", "service_role", "expected"),
    [
        (Role.STANDBY, ServiceRole.STANDBY, 200),
        (Role.CAMPAIGNING, ServiceRole.STANDBY, 200),
        (Role.CAMPAIGNING, ServiceRole.ACTIVE, 503),  # an active whose session ended takes the lock again
        (Role.PROMOTING, ServiceRole.UNKNOWN, 503),
        (Role.OUT, ServiceRole.STANDBY, 503),
    ],
)
def test_standby_goes_by_what_the_service_is(
    api: ServedController,
    controller: InMemoryController,
    role: Role,
    service_role: ServiceRole,
    expected: int,
) -> None:
    controller.shown = standby_snapshot(role=role, service_role=service_role)
    assert status_of(api, "/standby").status_code == expected


def test_not_ready_without_store_session_or_first_look(api: ServedController, controller: InMemoryController) -> None:
    for shown in ({"connected": False}, {"session": None}, {"role": Role.STARTING}):
        controller.shown = standby_snapshot(**shown)
        assert status_of(api, "/ready").status_code == 503


@pytest.mark.parametrize("health", [Health.UNKNOWN, Health.UNHEALTHY, Health.NOT_RESPONDING])
def test_an_ill_service_is_not_healthy_and_why_is_told(
    api: ServedController, controller: InMemoryController, health: Health
) -> None:
    controller.shown = active_snapshot(health=health, health_detail="tcp 5432: refused")
    answer = status_of(api, "/healthy")
    assert answer.status_code == 503
    assert "tcp 5432: refused" in answer.json()["why"]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (active_snapshot(), 200),
        (active_snapshot(role=Role.PROMOTING), 200),
        (active_snapshot(role=Role.PROMOTING, lock_held=False), 503),
        (active_snapshot(role=Role.DEMOTING), 503),
        (active_snapshot(role=Role.STARTING), 503),
        (standby_snapshot(), 503),
        (standby_snapshot(standby_stopped=False), 200),
    ],
)
def test_only_the_controller_that_promotes_or_runs_standbys_lets_the_service_start(
    api: ServedController, controller: InMemoryController, shown: Any, expected: int
) -> None:
    """S3."""
    controller.shown = shown
    assert status_of(api, "/v1/may-start").status_code == expected


def test_answers_are_not_kept_by_caches(api: ServedController) -> None:
    answer = status_of(api, "/active")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["date"].endswith("GMT")
    assert "server" not in answer.headers


def test_the_checks_answer_on_the_local_socket_too(api: ServedController, tmp_path: Path) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(api.socket))) as local:
        assert local.get("http://local/active").status_code == 200
