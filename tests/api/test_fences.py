"""Fencing over REST: who may see and order what, and how proofs, plans and orders are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from failover.core.values import Breadcrumb, Role, Verdict
from failover.ports.controller import OrderRefused
from failover.ports.fence_plans import Casualty, Plan, PlannedLevel, PlannedMethod, TrialAsked
from failover.ports.fences import Fenced, FenceSight, Known, MethodTold, Restoring, Struck
from failover.ports.service import Line, Traits
from tests.api.fakes import DB1, DB2, InMemoryController, ServedController, active_snapshot, member

READ, OPERATE, ADMIN = "t-read", "t-operate", "t-admin"
AT = "2024-05-01T03:00:00Z"
TRAITS = Traits(attempts=2, power=True, witnessed=True, restores=True, askable=True)
PROVEN = Known(DB2, "bmc", AT, Verdict.DONE, "status says ON", AT, 990.0, tested_at=AT, test=Verdict.DONE)
LIAR = replace(PROVEN, proof=Verdict.NOT_DONE, failures=1, quarantine="probe: bmc says db2 is OFF, but db2 is alive")
SIGHT = FenceSight((("bmc",),), (MethodTold("bmc", 40.0, TRAITS),), 600.0, (PROVEN,), ("db2",))
PLAN = Plan(
    Breadcrumb(DB2, 7, "boot-2", "10.0.0.12:8300", facts={"bmc": "10.0.9.12"}),
    "its member record",
    "db1 was active last, not db2: db2 is not fenced (S7)",
    "",
    (PlannedLevel(1, (PlannedMethod("bmc", 2, 40.0, 80.5, (Line("password", "********"),), TRAITS, PROVEN),)),),
    80.5,
    180.0,
    (Casualty("mail", "host-2", 9),),
)
ORDERS: dict[str, dict[str, Any]] = {
    "probe": {},
    "test": {"live": True, "reason": "trial"},
    "confirm": {"reason": "I pulled the plug"},
}


@pytest.fixture
def ask(api: ServedController) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, trust_env=False) as client:
        yield client


@pytest.fixture(autouse=True)
def shown(controller: InMemoryController) -> None:
    controller.shown = active_snapshot(fences=SIGHT)
    controller.fences.planned = PLAN
    controller.fences.told = (Struck(AT, "db2", 7, 1, "bmc", 1, Verdict.DONE, "off", 3.0),)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", ["", "/history", "/db2/plan"])
def test_nothing_of_fencing_is_open_to_everybody(ask: httpx.Client, path: str) -> None:
    refused = ask.get(f"/v1/fence{path}")
    assert (refused.status_code, "10.0.9.12" in refused.text) == (401, False)
    assert ask.get(f"/v1/fence{path}", headers=bearer(READ)).status_code == 200


@pytest.mark.parametrize(
    ("order", "least", "less"), [("probe", OPERATE, READ), ("test", OPERATE, READ), ("confirm", ADMIN, OPERATE)]
)
def test_each_order_needs_its_role(
    ask: httpx.Client, controller: InMemoryController, order: str, least: str, less: str
) -> None:
    path = f"/v1/fence/db2/{order}"
    assert ask.post(path, json=ORDERS[order]).status_code == 401
    assert ask.post(path, json=ORDERS[order], headers=bearer(less)).status_code == 403
    assert controller.orders == []
    assert ask.post(path, json=ORDERS[order], headers=bearer(least)).status_code in (200, 202)
    assert len(controller.orders) == 1


def test_a_test_by_force_needs_an_administrator_and_must_be_live(
    ask: httpx.Client, controller: InMemoryController
) -> None:
    forced = {**ORDERS["test"], "force": True, "method": "bmc"}
    assert ask.post("/v1/fence/db2/test", json=forced, headers=bearer(OPERATE)).status_code == 403
    assert ask.post("/v1/fence/db2/test", json={**forced, "live": False}, headers=bearer(ADMIN)).status_code == 422
    taken = ask.post("/v1/fence/db2/test", json=forced, headers=bearer(ADMIN))
    assert (taken.status_code, taken.headers["location"]) == (202, "/v1/operations/op-1")
    assert controller.orders == [("test", TrialAsked("db2", "bmc", "trial", "root", True))]


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x\ny"}, {"reason": "x", "overide": True}, []])
def test_a_confirmation_that_is_not_one_is_refused(
    ask: httpx.Client, controller: InMemoryController, body: Any
) -> None:
    assert ask.post("/v1/fence/db2/confirm", json=body, headers=bearer(ADMIN)).status_code == 422
    assert controller.orders == []


def test_what_cannot_be_the_name_of_a_node_is_refused_in_plain_words(ask: httpx.Client) -> None:
    answer = ask.get(f"/v1/fence/{'x' * 65}/plan", headers=bearer(READ))
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("node: cannot be used, expected the name of a node")


def test_a_confirmation_tells_what_was_written(ask: httpx.Client, controller: InMemoryController) -> None:
    told = ask.post("/v1/fence/db2/confirm", json=ORDERS["confirm"], headers=bearer(ADMIN)).json()
    assert (told["node"], told["machine_id"], told["epoch"], told["version"]) == ("db2", "machine-2", 7, 3)
    controller.refuse = OrderRefused("alive", "db2 lives")
    refused = ask.post("/v1/fence/db2/confirm", json=ORDERS["confirm"], headers=bearer(ADMIN))
    assert (refused.status_code, refused.json()["check"]) == (409, "alive")


def test_the_overview_shows_levels_proofs_and_strikes(ask: httpx.Client) -> None:
    told = ask.get("/v1/fence", headers=bearer(READ)).json()
    assert (told["levels"], told["probe_every_s"]) == ([["bmc"]], 600.0)
    assert told["peers"] == [{"node": "db2", "proven": True, "usable": True, "stale": False}]
    (proof,) = told["proofs"]
    assert (proof["proof"], proof["age_s"], proof["on_at"], proof["test"]) == ("done", 10.0, AT, "done")
    assert [one["verdict"] for one in told["strikes"]] == ["done"]


def test_a_plan_shows_parameters_worst_case_and_who_else_goes_down(ask: httpx.Client) -> None:
    told = ask.get("/v1/fence/db2/plan", headers=bearer(READ)).json()
    assert (told["worst_case_s"], told["facts"]) == (80.5, {"bmc": "10.0.9.12"})
    assert told["casualties"] == [{"service": "mail", "node": "host-2", "epoch": 9}]
    assert told["levels"][0]["methods"][0]["lines"] == [{"name": "password", "value": "********"}]
    assert ask.get("/v1/fence/db9/plan", headers=bearer(READ)).status_code == 404


def test_the_history_of_fencing_is_a_part_of_the_services(ask: httpx.Client, controller: InMemoryController) -> None:
    fenced = {"at": AT, "node": "db1", "event": "FenceEnded", "why": "done", "fence": {"node": "db2"}}
    controller.lines = [{"at": AT, "event": "Promoted"}, fenced]
    told = ask.get("/v1/fence/history", headers=bearer(READ)).json()
    assert (told["history"], len(told["strikes"]), told["history_error"]) == ([fenced], 1, "")
    controller.refuse = OrderRefused("store", "the store does not answer", 503)
    told = ask.get("/v1/fence/history", headers=bearer(READ)).json()
    assert (told["history"], len(told["strikes"]), told["history_error"]) == ([], 1, "the store does not answer")


def test_members_show_who_has_proven_that_they_could_be_fenced(
    ask: httpx.Client, controller: InMemoryController
) -> None:
    mine = member(DB1, Role.ACTIVE, epoch=7, fenceable={"db2": AT})
    controller.shown = active_snapshot(fences=SIGHT, members=(mine, member(DB2)))
    members = {one["node"]: one["fence_proven"] for one in ask.get("/v1/cluster").json()["members"]}
    assert members == {"db1": {"by": {}, "own_age_s": None}, "db2": {"by": {"db1": AT}, "own_age_s": 10.0}}
    assert f"fence proven {AT} by db1" in ask.get("/").text


def problems(ask: httpx.Client) -> str:
    return " | ".join(one["problem"] for one in ask.get("/v1/status").json()["to_do"])


@pytest.mark.parametrize(
    ("words", "sight"),
    [
        ("quarantined: probe: bmc says db2 is OFF", replace(SIGHT, known=(LIAR,))),
        ("critical: no usable level is left for db2", replace(SIGHT, unusable=("db2",))),
        ("the last proof that db2 could be fenced is 0 min old", replace(SIGHT, stale=("db2",))),
        (
            "bmc could not fence db2 in the last 3 probes",
            replace(SIGHT, known=(replace(PROVEN, proof=Verdict.UNKNOWN, failures=3),)),
        ),
    ],
)
def test_what_is_wrong_with_fencing_is_told_before_it_is_needed(
    ask: httpx.Client, controller: InMemoryController, words: str, sight: FenceSight
) -> None:
    assert problems(ask) == ""
    controller.shown = active_snapshot(fences=sight)
    assert words in problems(ask)
    assert words in ask.get("/").text


def test_who_does_not_come_back_after_a_fence_is_told_after_a_while(
    ask: httpx.Client, controller: InMemoryController
) -> None:
    fenced = Fenced(DB2, 7, ("bmc",), "off", AT, 900.0)
    alone = (member(DB1, Role.ACTIVE, epoch=7),)
    controller.shown = active_snapshot(fences=replace(SIGHT, known=(), fenced=(fenced,)), members=alone)
    assert "has not come back" not in problems(ask)
    late = replace(fenced, at_s=100.0)
    controller.shown = active_snapshot(fences=replace(SIGHT, known=(), fenced=(late,)), members=alone)
    assert f"db2 has not come back since it was fenced at {AT}, 15 min ago by bmc" in problems(ask)
    controller.shown = active_snapshot(fences=replace(SIGHT, known=(), fenced=(late,)))
    assert "has not come back" not in problems(ask)


@pytest.mark.parametrize(
    ("traits", "step"), [(TRAITS, "switch db2 on by hand"), (replace(TRAITS, power=False), "bring db2 back by hand")]
)
def test_what_was_not_given_back_is_told_until_the_node_is_there_again(
    ask: httpx.Client, controller: InMemoryController, traits: Traits, step: str
) -> None:
    given_up = (Restoring("db2", "bmc", "given_up", 6, "tried 6 times", AT),)
    sight = replace(SIGHT, methods=(MethodTold("bmc", 40.0, traits),), known=(), restores=given_up)
    controller.shown = active_snapshot(fences=sight, members=(member(DB1, Role.ACTIVE, epoch=7),))
    (told,) = (one for one in ask.get("/v1/status").json()["to_do"] if "given back" in one["problem"])
    assert "was not given back by bmc: tried 6 times" in told["problem"]
    assert step in str(told)
    controller.shown = active_snapshot(fences=sight)
    assert "given back" not in problems(ask)
