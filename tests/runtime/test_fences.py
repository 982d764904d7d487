"""What must be true before an operator's fencing order, what S1 says, and what is done around a chain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from failover.core.events import Event, ProofsChanged, WriteOutcome
from failover.core.state import State
from failover.core.values import (
    Breadcrumb,
    Control,
    Crumb,
    Health,
    Identity,
    Lock,
    Member,
    Node,
    Role,
    Session,
    Settings,
    Switchover,
    Verdict,
)
from failover.ports.controller import OrderRefused
from failover.ports.fence_plans import TrialAsked
from failover.ports.service import Line, Proof, Strike, Traits
from failover.ports.store import ControlWritten, Neighbour, View
from failover.runtime.fence_checks import check_confirm, check_test, said_now
from failover.runtime.fences import FenceParts, Fences
from failover.runtime.orders import Orders
from failover.runtime.planning import METHOD_GRACE_S, casualties_of
from failover.runtime.provable import Terms
from fencing.chain import LAST_WORD_S, Chain
from fencing.fenced import EndedBoots
from fencing.proofs import ProofBook
from tests.fencing.strikes import Scripted, strike
from tests.servers.wait import eventually_async

DONE, UNKNOWN = Verdict.DONE, Verdict.UNKNOWN
ME = Identity(Node("db1", "machine-1"), "boot-1")
DB2, DB3 = Node("db2", "machine-2"), Node("db3", "machine-3")
POWER = Traits(askable=True, witnessed=True, power=True, restores=True)


def standby(node: Node, **more: Any) -> Member:
    about = {"boot_id": f"boot-of-{node.name}", "settled": True}
    told = {"role": Role.STANDBY, "health": Health.HEALTHY, **about, **more}
    return Member(node, f"s-{node.name}", **told)


MINE = Member(ME.node, "s1", Role.ACTIVE, Health.HEALTHY, 7, "boot-1", settled=True)
STATE = State(
    ME,
    Settings(),
    role=Role.ACTIVE,
    connected=True,
    session=Session("s1", 6.0),
    epoch=7,
    holder=Lock(7, "s1", "db1"),
    holder_known=True,
    crumb=Crumb(Breadcrumb(ME.node, 7, "boot-1"), 3),
    members=(MINE, standby(DB2), standby(DB3)),
    control=Control(version=1),
)
ASK = TrialAsked("db3", None, "trial", "dora")


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(OrderRefused) as caught:
        call()
    return caught.value.check


def test_a_living_standby_that_nobody_needs_may_be_struck_for_a_test() -> None:
    assert check_test(STATE, ASK).node == DB3


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("store", {"connected": False}),
        ("role", {"role": Role.FENCING}),
        ("role", {"role": Role.DEMOTING}),
        ("target", {"members": (MINE, standby(DB2))}),
        ("lock", {"holder": Lock(9, "s-db3", "db3")}),
        ("role", {"members": (MINE, standby(DB2), standby(DB3, role=Role.OUT))}),
        ("breadcrumb", {"crumb": Crumb(Breadcrumb(DB3, 6, "boot-of-db3"), 2)}),
        ("active", {"members": (standby(DB2), standby(DB3))}),
        ("only-standby", {"members": (MINE, standby(DB3))}),
        ("only-standby", {"members": (MINE, standby(DB2, health=Health.UNHEALTHY), standby(DB3))}),
        ("switchover", {"control": Control(1, switchover=Switchover("o1", "db1", "db2", 7))}),
        ("control", {"control": Control(1, error="not JSON")}),
    ],
)
def test_nobody_else_is_struck_for_a_test(check: str, changes: dict[str, Any]) -> None:
    assert refused(lambda: check_test(replace(STATE, **changes), ASK)) == check


def test_who_was_just_struck_does_not_count_as_a_standby_although_its_record_is_still_there() -> None:
    assert refused(lambda: check_test(STATE, ASK, {DB3})) == "gone"
    assert refused(lambda: check_test(STATE, ASK, {DB2})) == "only-standby"


def test_this_node_is_never_struck_for_a_test() -> None:
    assert refused(lambda: check_test(STATE, replace(ASK, node="db1"))) == "target"


def test_force_lets_the_only_standby_be_struck_but_never_a_holder_of_the_lock() -> None:
    force = replace(ASK, force=True)
    assert check_test(replace(STATE, members=(MINE, standby(DB3))), force).node == DB3
    assert refused(lambda: check_test(replace(STATE, holder=Lock(9, "s-db3", "db3")), force)) == "lock"


DIRTY = replace(STATE, role=Role.STANDBY, crumb=Crumb(Breadcrumb(DB2, 6, "boot-of-db2"), 5), members=(MINE,))


def test_only_the_breadcrumbs_node_can_be_confirmed_and_only_if_it_does_not_live() -> None:
    assert check_confirm(DIRTY, "db2", False).node == DB2
    assert refused(lambda: check_confirm(DIRTY, "db3", False)) == "breadcrumb"
    assert refused(lambda: check_confirm(STATE, "db1", False)) == "target"
    alive = replace(DIRTY, members=(MINE, standby(DB2)))
    assert refused(lambda: check_confirm(alive, "db2", False)) == "alive"
    assert check_confirm(alive, "db2", True).node == DB2
    clean = replace(DIRTY, crumb=Crumb(Breadcrumb(DB2, 6, "b", clean=True), 5))
    assert refused(lambda: check_confirm(clean, "db2", True)) == "breadcrumb"
    assert refused(lambda: check_confirm(replace(DIRTY, crumb=Crumb()), "db2", True)) == "breadcrumb"


def test_who_holds_the_lock_cannot_be_confirmed_whatever_is_overridden() -> None:
    """Its breadcrumb may stay the same for months: the word would stand in for the fence when it is lost one day."""
    crumb = Crumb(Breadcrumb(DB2, 6, "boot-of-db2"), 3)
    state = replace(STATE, role=Role.STANDBY, lock=None, crumb=crumb, holder=Lock(6, "s-db2", "db2"))
    assert refused(lambda: check_confirm(state, "db2", override=True)) == "lock"
    assert check_confirm(replace(state, holder=Lock(9, "s1", "db1")), "db2", override=True).node == DB2


def test_a_machine_that_took_the_retired_ones_name_is_no_sign_of_its_life() -> None:
    state = replace(DIRTY, members=(MINE, standby(Node("db2", "another machine"))))
    assert check_confirm(state, "db2", False).node == DB2


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("nobody has to be fenced", {"crumb": Crumb()}),
        ("stepped down cleanly", {"crumb": Crumb(Breadcrumb(DB2, 6, "b", clean=True), 5)}),
        ("not fenced (S7)", {"crumb": Crumb(Breadcrumb(DB3, 6, "b"), 5)}),
        ("another machine was active last", {"crumb": Crumb(Breadcrumb(Node("db2", "x"), 6, "b"), 5)}),
        ("is fenced before anybody is promoted", {}),
        (
            "has rebooted since",
            {
                "members": (
                    MINE,
                    standby(DB2, ended=6, boot_id="new"),
                )
            },
        ),
        ("cannot be read", {"crumb": Crumb(None, 5, "not JSON")}),
    ],
)
def test_a_plan_says_what_s1_says_now(words: str, changes: dict[str, Any]) -> None:
    assert words in said_now(replace(DIRTY, **changes), Breadcrumb(DB2, 6, "boot-of-db2"), "")


def test_services_on_the_same_machine_are_told_by_machine_id_whatever_their_nodes_are_called() -> None:
    lock, crumb = Lock(9, "s", "host-2"), Crumb(Breadcrumb(Node("host-2", "machine-2"), 9, "b"), 1)
    same = Neighbour("mail", lock, crumb)
    others = (
        Neighbour("no-holder", None, crumb),
        Neighbour("clean", lock, Crumb(Breadcrumb(Node("host-2", "machine-2"), 9, "b", clean=True), 1)),
        Neighbour("elsewhere", lock, Crumb(Breadcrumb(Node("host-2", "machine-9"), 9, "b"), 1)),
        Neighbour("held by another", Lock(9, "s", "host-3"), crumb),
    )
    assert [(one.service, one.node) for one in casualties_of(DB2, (same, *others))] == [("mail", "host-2")]
    assert casualties_of(Node("db2", ""), (same,)) == ()


def test_the_grace_of_a_method_is_the_chains_own() -> None:
    assert METHOD_GRACE_S == LAST_WORD_S


# --- around a chain -----------------------------------------------------------------------------


class NoStore:
    """Takes the history; knows no neighbours."""

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []
        self.view: View | None = None
        self.written: list[Control] = []

    def write_control(self, control: Control, answer: Callable[[ControlWritten], None]) -> None:
        self.written.append(control)
        answer(ControlWritten(WriteOutcome.DONE, control))

    def append_history(self, entries: list[dict[str, Any]]) -> None:
        self.history += entries

    def read_view(self, answer: Callable[[Any], None]) -> None:
        answer(self.view)

    def read_neighbours(self, answer: Callable[[Any], None]) -> None:
        answer(None)


class Bench:
    """Fences over one scripted power method, in a state that the test sets."""

    def __init__(self, folder: Path, power: Scripted) -> None:
        self.state = STATE
        self.now_s = 100.0
        self.store = NoStore()
        self.posted: list[Event] = []
        methods = {"power": power}
        book = ProofBook(
            folder / "proofs.json",
            {"power": "{}"},
            {},
            lambda: self.now_s,
            lambda: "wall",
            "boot-1",
            EndedBoots(folder / "fenced", "orders-db"),
        )
        self.book = book

        def chain(_: str = "") -> Chain:
            return Chain(methods, [["power"]], 5.0, ME.node, book)

        parts = FenceParts(chain(), chain, Terms(methods, [["power"]], 600.0), 5.0, 5.0, {"db9": {"bmc": "10.0.9.19"}})
        self.fences = Fences("orders-db", "db1", parts, book)
        orders = Orders(self.store, lambda: self.state, asyncio.get_running_loop())  # type: ignore[arg-type]
        self.fences.wire(
            lambda: self.state,
            self.posted.append,
            orders,
            self.store,  # type: ignore[arg-type]
            lambda: self.now_s,
            lambda delay_s, _: delay_s,
        )
        self.fences.restorer._first_pause_s = 0.0
        self.fences.history_after_s = 0.0

    def step(self, **changes: Any) -> None:
        before, self.state = self.state, replace(self.state, **changes)
        self.fences.observe(before, self.state)


async def proven() -> bool:
    return True


def test_what_a_fence_took_is_given_back_once_active_and_never_before(tmp_path: Path) -> None:
    async def tell() -> None:
        power = Scripted("power", DONE, traits=POWER, saw_on=True)
        bench = Bench(tmp_path, power)
        bench.step(role=Role.FENCING, epoch=0)
        assert (await bench.fences.run(strike(DB2, ""), proven)).verdict is DONE
        bench.step(role=Role.PROMOTING, epoch=42)
        await asyncio.sleep(0)
        assert power.restored == 0
        bench.step(role=Role.ACTIVE)
        await eventually_async(lambda: power.restored == 1, 5.0, "it is given back")
        assert [one["event"] for one in bench.store.history] == ["FenceEnded", "FenceRestored"]
        assert [one.node for one in bench.fences.sight().fenced] == [DB2]
        await bench.fences.close()

    asyncio.run(tell())


def test_what_was_taken_is_owed_over_a_promote_that_failed_and_a_session_that_blinked(tmp_path: Path) -> None:
    async def tell() -> None:
        power = Scripted("power", DONE, traits=POWER, saw_on=True)
        bench = Bench(tmp_path, power)
        bench.step(role=Role.FENCING, epoch=0)
        await bench.fences.run(strike(DB2, ""), proven)
        bench.step(role=Role.OUT, epoch=0)
        bench.step(role=Role.ACTIVE, epoch=43)
        await eventually_async(lambda: power.restored == 1, 5.0, "it is given back")
        bench.step(role=Role.CAMPAIGNING, epoch=43)
        bench.step(role=Role.ACTIVE, epoch=44)
        await asyncio.sleep(0.01)
        assert power.restored == 1, "once"
        await bench.fences.close()

    asyncio.run(tell())


def test_nothing_is_given_back_after_a_fence_that_was_not_done(tmp_path: Path) -> None:
    async def tell() -> None:
        power = Scripted("power", UNKNOWN, traits=POWER, saw_on=True)
        bench = Bench(tmp_path, power)
        bench.step(role=Role.FENCING, epoch=0)
        await bench.fences.run(strike(DB2, ""), proven)
        bench.step(role=Role.ACTIVE, epoch=42)
        await asyncio.sleep(0.01)
        assert power.restored == 0
        await bench.fences.close()

    asyncio.run(tell())


def test_a_blocked_fence_stands_once_in_the_history_however_often_it_is_tried(tmp_path: Path) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path, Scripted("power", UNKNOWN, traits=POWER))
        bench.step(role=Role.FENCING)
        for _ in range(3):
            await bench.fences.run(strike(DB2, ""), proven)
        await eventually_async(lambda: bench.store.history, 5.0, "it is written")
        assert len(bench.store.history) == 1
        assert len(bench.fences.strikes()) == 3

    asyncio.run(tell())


def test_proofs_are_posted_when_they_change(tmp_path: Path) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path, Scripted("power", DONE, traits=POWER))
        await bench.fences.probe("db2", None, "dora")
        await bench.fences.probe("db2", None, "dora")
        assert bench.posted == [ProofsChanged({"db2": "wall"})]
        bench.step(members=(MINE,))
        bench.fences._sight_s = None
        bench.fences.refresh()
        assert bench.posted[1:] == [], "who has just gone is the one that must be fenced"
        bench.now_s += 3 * 600.0 + 1
        bench.fences.refresh()
        assert bench.posted[1:] == [ProofsChanged({})], "proofs grow old"

    asyncio.run(tell())


def test_a_live_test_strikes_verifies_and_gives_back(tmp_path: Path) -> None:
    async def tell() -> None:
        power = Scripted("power", DONE, traits=POWER)
        bench = Bench(tmp_path, power)
        id_ = (await bench.fences.test(ASK)).id
        await eventually_async(lambda: told(bench, id_) != "pending", 5.0, "it ends")
        assert (told(bench, id_), power.struck, power.restored) == ("done", 1, 1)
        assert bench.book.of(DB3, "power").test is DONE
        assert bench.store.history[-1]["event"] == "FenceTested"

    asyncio.run(tell())


def told(bench: Bench, id_: str) -> str:
    operation = bench.fences.operation(id_)
    return operation.state if operation is not None else ""


def test_a_live_test_strikes_nothing_where_the_device_does_not_say_on_first(tmp_path: Path) -> None:
    async def tell() -> None:
        power = Scripted("power", DONE, traits=POWER)
        power.proof = replace(power.proof, verdict=UNKNOWN, detail="login refused (401)", on=False)
        bench = Bench(tmp_path, power)
        id_ = (await bench.fences.test(ASK)).id
        await eventually_async(lambda: told(bench, id_) != "pending", 5.0, "it ends")
        operation = bench.fences.operation(id_)
        assert operation is not None
        assert (operation.state, power.struck, power.restored) == ("failed", 0, 0)
        assert "nothing was struck" in operation.detail
        assert "login refused (401)" in operation.detail

    asyncio.run(tell())


def test_a_real_fence_ends_a_test_and_what_the_test_took_is_given_back(tmp_path: Path) -> None:
    async def tell() -> None:
        power = Scripted("power", DONE, traits=POWER, hangs=True, timeout_s=60.0)
        bench = Bench(tmp_path, power)
        id_ = (await bench.fences.test(ASK)).id
        await eventually_async(lambda: power.struck == 1, 5.0, "it strikes")
        assert bench.fences.trials is not None
        bench.fences.trials.end_strike()
        await eventually_async(lambda: told(bench, id_) != "pending", 5.0, "it ends")
        assert (told(bench, id_), power.ended, power.restored) == ("failed", 1, 1)

    asyncio.run(tell())


def test_a_fence_that_is_called_off_while_a_probe_gives_way_leaves_the_prober_free(tmp_path: Path) -> None:
    """Else nothing would be probed any more, and no operator could probe or test, until the controller restarts."""

    async def tell() -> None:
        power = Stubborn("power", DONE, traits=POWER)
        bench = Bench(tmp_path, power)
        asked = asyncio.create_task(bench.fences.probe("db2", None, "dora"))
        await eventually_async(lambda: power.asked, 5.0, "it asks")
        fence = asyncio.create_task(bench.fences.run(strike(DB2, ""), proven))
        await eventually_async(lambda: power.told_to_end, 5.0, "the probe is told to give way")
        fence.cancel()
        await asyncio.wait([fence])
        power.let_go.set()
        with pytest.raises(OrderRefused):
            await asked
        assert [one.proof for one in await bench.fences.probe("db2", None, "dora")] == [DONE]
        assert bench.book.seen_on(DB2, "power")

    asyncio.run(tell())


def test_a_test_that_struck_nothing_gives_nothing_back(tmp_path: Path) -> None:
    """A restore of what was not taken may strike back: it is the operator's own command, say."""

    async def tell() -> None:
        power = Becoming("power", DONE, traits=POWER)
        bench = Bench(tmp_path, power)
        power.becomes = lambda: bench.step(holder=Lock(9, "s-db3", "db3"))
        id_ = (await bench.fences.test(ASK)).id
        await eventually_async(lambda: told(bench, id_) != "pending", 5.0, "it ends")
        operation = bench.fences.operation(id_)
        assert operation is not None
        assert (operation.state, power.struck, power.restored) == ("failed", 0, 0)
        assert "nothing was struck" in operation.detail

    asyncio.run(tell())


class Becoming(Scripted):
    """While it is probed, the node becomes another's hope."""

    becomes: Callable[[], None]

    async def probe(self, told: Strike) -> Proof:
        self.becomes()
        return self.proof


class Stubborn(Scripted):
    """Its first probe takes its time to end."""

    asked = told_to_end = False

    async def probe(self, told: Strike) -> Proof:
        if self.asked:
            return self.proof
        self.asked, self.let_go = True, asyncio.Event()
        try:
            await asyncio.Event().wait()
        finally:
            self.told_to_end = True
            await self.let_go.wait()
        return self.proof


def test_a_standby_that_becomes_active_meanwhile_is_not_struck(tmp_path: Path) -> None:
    async def tell() -> None:
        power = Scripted("power", DONE, traits=POWER)
        bench = Bench(tmp_path, power)
        operation = await bench.fences.test(ASK)
        bench.step(holder=Lock(9, "s-db3", "db3"))
        await eventually_async(lambda: told(bench, operation.id) != "pending", 5.0, "it ends")
        assert (told(bench, operation.id), power.struck) == ("failed", 0)

    asyncio.run(tell())


def test_who_was_fenced_has_come_back_only_with_a_record_of_a_new_session(tmp_path: Path) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path, Scripted("power", DONE, traits=POWER, saw_on=True))
        await bench.fences.run(strike(DB2, ""), proven)
        bench.step(members=(MINE, standby(DB2)))
        assert [one.node for one in bench.book.fenced()] == [DB2]
        bench.step(members=(MINE,))
        bench.step(members=(MINE, replace(standby(DB2), session="its next")))
        assert not bench.book.fenced()

    asyncio.run(tell())


def test_a_new_machine_under_the_name_of_the_one_that_was_fenced_has_come_in_its_place(tmp_path: Path) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path, Scripted("power", DONE, traits=POWER, saw_on=True))
        await bench.fences.run(strike(DB2, ""), proven)
        bench.step(members=(MINE,))
        bench.step(members=(MINE, replace(standby(Node("db2", "another machine")), session="its first")))
        assert not bench.book.fenced()

    asyncio.run(tell())


def test_who_was_fenced_and_is_taken_out_of_the_configuration_is_not_missed(tmp_path: Path) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path, Scripted("power", DONE, traits=POWER, saw_on=True))
        await bench.fences.run(strike(DB2, ""), proven)
        for names, missed in ((("db1", "db2"), [DB2]), (("db1", "db3"), []), ((), [DB2])):
            nodes: dict[str, dict[str, str]] = {name: {} for name in names}
            bench.fences.reconfigure(replace(bench.fences._parts, nodes=nodes))
            assert [one.node for one in bench.fences.sight().fenced] == missed

    asyncio.run(tell())


def test_a_quarantined_method_is_not_even_tested(tmp_path: Path) -> None:
    async def tell() -> None:
        power = Scripted("power", DONE, traits=POWER)
        bench = Bench(tmp_path, power)
        bench.book.probed(DB3, "power", replace(power.proof, verdict=Verdict.NOT_DONE, on=False, lies=True))
        with pytest.raises(OrderRefused, match="would strike that other machine"):
            await bench.fences.test(ASK)
        with pytest.raises(OrderRefused, match="no method is called bmc"):
            await bench.fences.test(replace(ASK, method="bmc"))
        assert power.struck == 0

    asyncio.run(tell())


def test_a_plan_of_a_node_that_is_only_configured_and_of_none(tmp_path: Path) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path, Scripted("power", DONE, traits=replace(POWER, attempts=3), timeout_s=1.0))
        plan = await bench.fences.plan("db9")
        assert (plan.source, plan.target.facts, plan.casualties) == (
            "the configuration only",
            {"bmc": "10.0.9.19"},
            None,
        )
        assert plan.worst_case_s == pytest.approx(3 * 1.25)
        for node in ("db1", "db8"):
            with pytest.raises(OrderRefused):
                await bench.fences.plan(node)

    asyncio.run(tell())


def test_a_plan_never_blocks_the_loop(tmp_path: Path) -> None:
    """An agent that was upgraded is asked for its metadata anew: up to 20 s, the whole of the loop's patience."""

    class Asking(Scripted):
        def plan(self, told: Strike) -> list[Line]:
            self.on_loop = threading.current_thread() is threading.main_thread()
            return super().plan(told)

    async def tell() -> None:
        power = Asking("power", DONE, traits=POWER)
        await Bench(tmp_path, power).fences.plan("db9")
        assert not power.on_loop

    asyncio.run(tell())


def test_a_confirmation_is_for_the_breadcrumb_as_the_store_says_it_now(tmp_path: Path) -> None:
    """A standby that has not raced lately knows an old one; a word for that would do nothing, without a word."""

    async def tell() -> None:
        bench = Bench(tmp_path, Scripted("power", UNKNOWN, traits=POWER))
        with pytest.raises(OrderRefused, match="the store does not answer"):
            await bench.fences.confirm("db2", "pulled its plug", False, "dora")
        crumb = Crumb(Breadcrumb(DB2, 9, "boot-of-db2"), 12)
        bench.store.view = View(None, crumb, STATE.control, (MINE,))
        word = await bench.fences.confirm("db2", "pulled its plug", False, "dora")
        assert (word.node, word.epoch, word.version, word.by) == (DB2, 9, 12, "dora")
        assert [control.confirmed for control in bench.store.written] == [word]
        assert (await bench.fences.plan("db2")).source == "the breadcrumb"

    asyncio.run(tell())
