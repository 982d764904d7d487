"""Orders as an operator gives them: progress, outcomes, refusals, and who may."""

from dataclasses import replace
from pathlib import Path

import pytest

from failover.core.values import Breadcrumb, Control, Pause
from failover.ports.controller import OrderRefused
from tests.api.fakes import DB1, InMemoryController, ServedController, standby_snapshot
from tests.cli.conftest import Run, run_command, write_config


def test_a_switchover_shows_its_progress_and_its_phases(ctl: Run, controller: InMemoryController) -> None:
    ran = ctl("switchover", "--from", "db1", "--to", "db2", "--reason", "kernel")
    assert ran.code == 0
    assert controller.orders == [("switchover", "db1", "db2", "kernel", controller.orders[0][-1])]
    assert "switchover done" in ran.out
    for word in ("db1 demotes", "db1 is active", "demoted", "promoted"):
        assert word in ran.err


def test_a_switchover_for_programs_is_its_record(ctl: Run) -> None:
    told = ctl("switchover", "--reason", "kernel", "--json").told
    assert (told["state"], told["ended"]["phases_ms"]["promoted"]) == ("done", 310.5)


def test_without_waiting_the_record_is_given_at_once(ctl: Run) -> None:
    ran = ctl("switchover", "--reason", "kernel", "--no-wait", "--json")
    assert ran.code == 0
    assert ran.told["state"] == "pending"
    assert ran.told["location"] == "/v1/operations/op-1"
    assert "op-1 is under way" in ctl("switchover", "--reason", "kernel", "--no-wait").out


@pytest.mark.parametrize("outcome", ["failed", "void"])
def test_an_operation_that_ends_badly_is_exit_13(ctl: Run, controller: InMemoryController, outcome: str) -> None:
    controller.outcome = outcome
    ran = ctl("switchover", "--reason", "kernel")
    assert ran.code == 13
    assert outcome in ran.err


def test_an_operation_without_an_end_is_exit_13_after_the_time_given(ctl: Run, controller: InMemoryController) -> None:
    controller.polls_till_done = 10_000
    ran = ctl("switchover", "--reason", "kernel", "--timeout", "1")
    assert ran.code == 13
    assert "has not ended within 1 s" in ran.err


def test_a_controller_that_is_stale_for_a_moment_does_not_end_the_waiting(
    ctl: Run, controller: InMemoryController
) -> None:
    """The node that is asked may be the one that demotes."""
    controller.polls_till_done = 3
    original = controller.snapshot
    asked = 0

    def stale_at_first() -> object:
        nonlocal asked
        asked += 1
        shown = original()
        return replace(shown, taken_s=900.0) if 2 <= asked <= 4 else shown

    controller.snapshot = stale_at_first  # type: ignore[assignment, method-assign]
    ran = ctl("switchover", "--reason", "kernel")
    assert ran.code == 0
    assert "has not looked" in ran.err


def test_a_refused_order_is_exit_12_and_names_the_check(ctl: Run, controller: InMemoryController) -> None:
    controller.refuse = OrderRefused("health", "db2 is unhealthy: disk full")
    ran = ctl("switchover", "--to", "db2", "--reason", "kernel")
    assert ran.code == 12
    assert "refused (health): db2 is unhealthy: disk full" in ran.err
    told = ctl("switchover", "--to", "db2", "--reason", "kernel", "--json").told
    assert (told["ok"], told["exit_code"], told["problem"]["check"]) == (False, 12, "health")


def test_an_order_that_the_store_did_not_take_is_exit_6(ctl: Run, controller: InMemoryController) -> None:
    controller.refuse = OrderRefused("store", "the store does not answer", 503)
    assert ctl("pause", "--reason", "x").code == 6


def test_a_switchover_wants_a_reason(ctl: Run, controller: InMemoryController) -> None:
    ran = ctl("switchover")
    assert ran.code == 2
    assert "--reason" in ran.err
    assert controller.orders == []


def test_pause_resume_drain_and_undrain(ctl: Run, controller: InMemoryController) -> None:
    assert ctl("pause", "--reason", "upgrade").code == 0
    assert ctl("resume").code == 0
    assert "db2 is drained" in ctl("drain", "db2").out
    assert ctl("undrain", "db2", "--json").told["drained"] == []
    assert [order[0] for order in controller.orders] == ["pause", "resume", "drain", "undrain"]


def test_a_pause_with_an_end_says_when_that_is(ctl: Run, controller: InMemoryController) -> None:
    ran = ctl("pause", "--for", "2h", "--reason", "upgrade")
    assert (ran.code, "until failoverctl resume or 2024-05-01T05:30:00Z" in ran.out) == (0, True)
    refused = ctl("pause", "--for", "long", "--reason", "upgrade")
    assert refused.code != 0
    assert 'for: cannot be used, expected a duration, "2h" say' in refused.err
    assert [order[0] for order in controller.orders] == ["pause"]


def test_resume_first_tells_what_would_move(ctl: Run, controller: InMemoryController) -> None:
    paused = Control(1, pause=Pause("dora", "upgrade"))
    controller.shown = standby_snapshot(holder=None, control=paused, breadcrumb=Breadcrumb(DB1, 7, "boot-1"))
    ran = ctl("resume")
    assert ran.code == 0
    assert "After resuming: db1 was active last" in ran.err


def test_a_failover_is_forced_or_refused_and_says_whom_it_fences(ctl: Run, controller: InMemoryController) -> None:
    ran = ctl("failover", "--to", "db2")
    assert ran.code == 2
    assert "--force" in ran.err
    assert controller.orders == []
    ran = ctl("failover", "--to", "db2", "--force")
    assert ran.code == 0
    assert "db1 (active last, epoch 7) is fenced first" in ran.err
    assert controller.orders[0][:3] == ("failover", "db2", "forced failover")


def test_over_the_network_an_order_needs_a_token(
    served: ServedController, controller: InMemoryController, tmp_path: Path
) -> None:
    order = ("pause", "--reason", "x", "--url", served.url)
    ran = run_command(*order)
    assert ran.code == 15
    assert "FAILOVERCTL_TOKEN" in ran.err or "Bearer" in ran.err
    assert run_command(*order, env={"FAILOVERCTL_TOKEN": "wrong"}).code == 15
    assert run_command(*order, env={"FAILOVERCTL_TOKEN": "t-read"}).code == 15
    assert controller.orders == []
    assert run_command(*order, env={"FAILOVERCTL_TOKEN": "t-operate"}).code == 0
    (tmp_path / "token").write_text("t-admin\n", encoding="utf-8")
    assert run_command(*order, "--token-file", tmp_path / "token").code == 0
    assert [order[-1] for order in controller.orders] == ["dora", "root"]


def test_a_token_file_that_is_none_is_said_to_be(served: ServedController, tmp_path: Path) -> None:
    (tmp_path / "two").write_text("a b", encoding="utf-8")
    for name, words in (("missing", "No such file"), ("two", "2 words")):
        ran = run_command("pause", "--reason", "x", "--url", served.url, "--token-file", tmp_path / name)
        assert ran.code == 2
        assert words in ran.err


def test_without_the_socket_the_address_is_used(served: ServedController, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    config = write_config(other, other, served.url.removeprefix("http://"))
    assert run_command("status", "--config", config).code == 0
    assert run_command("pause", "--reason", "x", "--config", config).code == 15
