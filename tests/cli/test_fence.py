"""failoverctl fence: what is shown, what is asked before anything is struck or confirmed, and the exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from failover.ports.controller import OrderRefused
from failover.ports.fence_plans import TrialAsked
from tests.api.fakes import InMemoryController, active_snapshot
from tests.api.test_fences import LIAR, PLAN, SIGHT
from tests.cli.conftest import Run, run_command

CONFIG = """\
service: orders-db
node: db1
store: {kind: zookeeper, hosts: [zk1:2181]}
nodes: {db1: {address: 10.0.0.11, bmc: 10.0.9.11}, db2: {address: 10.0.0.12, bmc: 10.0.9.12}}
control: {kind: command, standby: stopped, promote: {run: /etc/failoverd/promote}, demote: {run: /etc/failoverd/demote}}
health: [{kind: tcp, port: 5432}]
api: {listen: 10.0.0.11:8300, peer_secret: {file: /etc/failoverd/peer.secret}}
fencing:
  methods:
    ask: {kind: controller, timeout: 10s}
    power: {kind: command, run: [/bin/echo, "{node.bmc}"], status: [/bin/echo, "{node.bmc}"], timeout: 20s, attempts: 2}
  levels: [[ask], [power]]
"""


@pytest.fixture(autouse=True)
def shown(controller: InMemoryController) -> None:
    controller.shown = active_snapshot(fences=SIGHT)
    controller.fences.planned = PLAN


def test_a_plan_is_shown_without_ordering_anything(ctl: Run, controller: InMemoryController) -> None:
    done = ctl("fence", "plan", "db2")
    assert done.code == 0
    for words in (
        "Fencing db2 (machine machine-2, as its member record has it)",
        "bmc: up to 2 times, 40 s each",
        "password: ********",
        "proof: done, 10 s ago: status says ON",
        "live test: done at",
        "Worst case: 80.5 s (the chain's own deadline is 180 s)",
        "mail is active on that machine, too (as host-2, epoch 9): it goes down with it",
    ):
        assert words in done.out
    assert ctl("fence", "plan", "db2", "--json").told["worst_case_s"] == 80.5
    assert ctl("fence", "plan", "db9").code == 12
    assert controller.orders == []


def test_a_probe_asks_each_method_of_each_peer(ctl: Run, controller: InMemoryController) -> None:
    done = ctl("fence", "probe")
    assert (done.code, "status says ON" in done.out) == (0, True)
    assert controller.orders == [("probe", "db2", "bmc", "root (local)")]
    controller.shown = active_snapshot(fences=type(SIGHT)(SIGHT.levels, SIGHT.methods, 600.0, (LIAR,)))
    failed = ctl("fence", "probe", "db2", "--method", "bmc", "--json")
    assert (failed.code, failed.told["ok"]) == (13, False)
    assert "is OFF, but db2 is alive" in ctl("fence", "probe", "db2").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "a test is live or not at all"),
        (("--live",), "add --yes-i-mean db2"),
        (("--live", "--yes-i-mean", "db1"), "'db1' is not 'db2'"),
    ],
)
def test_nothing_is_struck_unless_it_is_meant(
    ctl: Run, controller: InMemoryController, words: tuple[str, ...], said: str
) -> None:
    done = ctl("fence", "test", "db2", *words)
    assert (done.code, said in done.err) == (2, True), done.err
    assert controller.orders == []


def test_a_live_test_is_followed_to_its_end(ctl: Run, controller: InMemoryController) -> None:
    words = ("--live", "--method", "bmc", "--yes-i-mean", "db2", "--reason", "yearly")
    assert ctl("fence", "test", "db2", *words).code == 0
    assert controller.orders == [("test", TrialAsked("db2", "bmc", "yearly", "root (local)"))]
    controller.outcome = "failed"
    assert ctl("fence", "test", "db2", *words).code == 13
    controller.refuse = OrderRefused("lock", "db2 holds the lock")
    assert ctl("fence", "test", "db2", *words, "--json").code == 12


def test_a_confirmation_shows_what_was_seen_last_and_wants_the_name(ctl: Run, controller: InMemoryController) -> None:
    asked = ctl("fence", "confirm", "db2")
    assert asked.code == 2
    for words in ("machine-id machine-2", "bmc: 10.0.9.12", "MEMBER RECORD: it is standby"):
        assert words in asked.err
    assert controller.orders == []
    done = ctl("fence", "confirm", "db2", "--yes-i-mean", "db2", "--reason", "I pulled the plug", "--override-evidence")
    assert (done.code, "db2 (machine machine-2, epoch 7) counts as fenced, this once" in done.out) == (0, True)
    assert controller.orders == [("confirm", "db2", "I pulled the plug", True, "root (local)")]
    controller.refuse = OrderRefused("alive", "db2 lives")
    refused = ctl("fence", "confirm", "db2", "--yes-i-mean", "db2", "--json")
    assert (refused.code, refused.told["problem"]["check"]) == (12, "alive")


def test_the_history_of_fencing(ctl: Run, controller: InMemoryController) -> None:
    assert "Nothing was fenced" in ctl("fence", "history").out
    controller.lines = [{"at": "03:00", "node": "db1", "event": "FenceEnded", "why": "all is off", "fence": {}}]
    assert "all is off" in ctl("fence", "history").out
    assert len(ctl("fence", "history", "--json").told["history"]) == 1


def test_a_static_check_says_order_proof_and_worst_case(tmp_path: Path) -> None:
    path = tmp_path / "orders-db.yaml"
    path.write_text(CONFIG)
    done = run_command("fence", "check", path)
    assert done.code == 0, done.out + done.err
    for words in (
        "ask (controller): 10 s; useless against a host without power",
        "power (command): 20 s × 2",
        "its status command must say ON while the node lives",
        "Worst case: 50.75 s (the chain's own deadline is 180 s)",
        "only when asked: write fencing.probe",
    ):
        assert words in done.out
    told = run_command("fence", "check", path, "--json").told
    assert [[one["method"] for one in level] for level in told["levels"]] == [["ask"], ["power"]]


def test_a_static_check_of_a_file_with_mistakes_says_where(tmp_path: Path) -> None:
    path = tmp_path / "orders-db.yaml"
    path.write_text(CONFIG.replace("[power]]", "[powr]]"))
    done = run_command("fence", "check", path)
    assert done.code == 10
    assert 'no method "powr"' in done.out
    assert "power" in done.out
    assert run_command("fence", "check", path, "--json").told["ok"] is False
