"""The prober: what is probed when, what it gives way to, and when a device counts as a liar. Time stands still."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from failover.core.state import State
from failover.core.values import Breadcrumb, Identity, Member, Node, Role, Session, Settings, Verdict
from failover.ports.service import Proof, Strike, Traits
from failover.runtime.provable import Terms, is_stale, is_usable, level_bar, proven_at
from failover.runtime.proving import AGAIN_S, FIRST_S, LOOK_S, Prober
from fencing.fenced import EndedBoots
from fencing.proofs import ProofBook
from tests.fencing.strikes import Scripted
from tests.runtime.clock import ManualClock
from tests.servers.wait import eventually_async

ME = Identity(Node("db1", "machine-1"), "boot-1")
DB2 = Member(Node("db2", "machine-2"), "s2", Role.STANDBY, boot_id="boot-2", address="10.0.0.12:8300")
ASKABLE = Traits(askable=True, witnessed=True)
GOOD = Proof(Verdict.DONE, "status says ON", on=True)
LIE = Proof(Verdict.NOT_DONE, "status says OFF", lies=True)
FAILED = Proof(Verdict.UNKNOWN, "login refused (401)")
EVERY_S = 600.0


class Bench:
    """A prober with a clock that stands still; nothing is random."""

    def __init__(self, folder: Path, *methods: Scripted, role: Role = Role.ACTIVE) -> None:
        self.clock = ManualClock()
        self.methods = {method.name: method for method in methods or (Scripted("bmc", traits=ASKABLE),)}
        self.state = State(ME, Settings(), role=role, members=(DB2,), connected=True, session=Session("s1", 6.0))
        self.book = ProofBook(
            folder / "proofs.json",
            dict.fromkeys(self.methods, "{}"),
            {},
            self.clock.now_s,
            lambda: f"wall {self.clock.now_s():g}",
            "boot-1",
            EndedBoots(folder / "fenced", "orders-db"),
        )
        self.heard = 0
        self.prober = Prober(
            self.book, lambda: self.state, self._strike, self.clock.now_s, lambda delay_s, _: delay_s, self._hear
        )
        self.terms = Terms(self.methods, [list(self.methods)], EVERY_S)
        self.prober.configure(self.terms, 60.0)

    def _strike(self, member: Member) -> Strike:
        return Strike("orders-db", "db1", Breadcrumb(member.node, 0, member.boot_id, member.address), 0, 0)

    def _hear(self) -> None:
        self.heard += 1

    async def pass_s(self, seconds: float) -> None:
        self.clock.pass_s(seconds)
        while await self.prober.look() == 0.0:
            pass

    def proven(self) -> bool:
        return bool(proven_at(self.terms, DB2.node, self.book.of, self.clock.now_s()))


def story(tell: Callable[[], Awaitable[None]]) -> None:
    async def told() -> None:
        await tell()

    asyncio.run(told())


def test_a_peer_is_probed_soon_after_it_appears_and_then_on_schedule(tmp_path: Path) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path)
        assert await bench.prober.look() == FIRST_S
        assert bench.heard == 0
        await bench.pass_s(FIRST_S)
        assert (bench.heard, bench.proven()) == (1, True)
        await bench.pass_s(EVERY_S - 1)
        assert bench.heard == 1
        await bench.pass_s(1.0)
        assert bench.heard == 2

    story(tell)


def test_only_methods_that_can_be_probed_are_each_in_its_turn(tmp_path: Path) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path, Scripted("a", traits=ASKABLE), Scripted("wait"), Scripted("b", traits=ASKABLE))
        await bench.pass_s(0)
        await bench.pass_s(FIRST_S)
        assert [one.method for one in bench.book.known()] == ["a", "b"]

    story(tell)


@pytest.mark.parametrize("role", [Role.CAMPAIGNING, Role.FENCING, Role.CLAIMING, Role.PROMOTING, Role.DEMOTING])
def test_nothing_is_probed_in_a_campaign(tmp_path: Path, role: Role) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path, role=role)
        assert await bench.prober.look() == LOOK_S
        await bench.pass_s(FIRST_S)
        assert await bench.prober.probe_now(DB2, ["bmc"]) == ()
        assert bench.heard == 0

    story(tell)


@pytest.mark.parametrize("settings", [Settings(candidate=False)])
def test_who_is_no_candidate_probes_nobody(tmp_path: Path, settings: Settings) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path)
        bench.state = replace(bench.state, settings=settings)
        await bench.pass_s(FIRST_S)
        assert bench.heard == 0

    story(tell)


def test_a_standby_probes_as_the_active_does(tmp_path: Path) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path, role=Role.STANDBY)
        await bench.pass_s(0)
        await bench.pass_s(FIRST_S)
        assert bench.proven()

    story(tell)


class Hanging(Scripted):
    """Its probe never ends by itself."""

    begun_probes = ended_probes = 0

    async def probe(self, told: Strike) -> Proof:
        self.begun_probes += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.ended_probes += 1
        return GOOD


def test_a_chain_that_starts_ends_a_running_probe_and_none_starts_until_it_is_over(tmp_path: Path) -> None:
    async def tell() -> None:
        hanging = Hanging("bmc", traits=ASKABLE, timeout_s=60.0)
        bench = Bench(tmp_path, hanging)
        await bench.pass_s(0)
        bench.clock.pass_s(FIRST_S)
        look = asyncio.create_task(bench.prober.look())
        await eventually_async(lambda: hanging.begun_probes == 1, 5.0, "it probes")
        await bench.prober.give_way()
        await look
        assert (hanging.ended_probes, bench.heard) == (1, 0)
        assert bench.book.of(DB2.node, "bmc").proof is None
        await bench.pass_s(LOOK_S)
        assert hanging.ended_probes == 1
        bench.prober.go_on()
        bench.methods["bmc"] = Scripted("bmc", traits=ASKABLE)
        bench.prober.configure(Terms(bench.methods, [["bmc"]], EVERY_S), 60.0)
        await bench.pass_s(0)
        await bench.pass_s(FIRST_S)
        assert bench.heard == 1

    story(tell)


def test_a_probe_that_hangs_ends_at_its_deadline_and_is_unknown(tmp_path: Path) -> None:
    async def tell() -> None:
        hanging = Hanging("bmc", traits=ASKABLE, timeout_s=0.05)
        bench = Bench(tmp_path, hanging)
        await bench.pass_s(0)
        await bench.pass_s(FIRST_S)
        known = bench.book.of(DB2.node, "bmc")
        assert (known.proof, known.failures, hanging.ended_probes) == (Verdict.UNKNOWN, 1, 1)
        assert known.detail == "the probe did not end in 0.05 s"

    story(tell)


def test_off_counts_as_a_lie_only_if_the_peers_session_outlives_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A host that has just lost its power has a session for a while: the device is right, and will be needed."""

    async def tell() -> None:
        bench = Bench(tmp_path)
        bench.methods["bmc"].proof = LIE
        await bench.pass_s(0)
        await bench.pass_s(FIRST_S)
        assert not bench.book.quarantined(DB2.node, "bmc")
        assert "asked again in 14 s" in bench.book.of(DB2.node, "bmc").detail
        bench.state = replace(bench.state, members=())
        await bench.pass_s(20.0)
        assert not bench.book.quarantined(DB2.node, "bmc")

        bench.state = replace(bench.state, members=(replace(DB2, session="s3"),))
        await bench.pass_s(0)
        await bench.pass_s(FIRST_S)
        await bench.pass_s(13.0)
        assert not bench.book.quarantined(DB2.node, "bmc")
        await bench.pass_s(1.0)
        assert "db2 is alive" in bench.book.quarantined(DB2.node, "bmc")
        assert caplog.text.count("This method points to another machine") == 1
        assert not is_usable(bench.terms, DB2.node, bench.book.of)

        bench.methods["bmc"].proof = GOOD
        await bench.pass_s(AGAIN_S)
        assert (bench.book.quarantined(DB2.node, "bmc"), bench.proven()) == ("", True)

    story(tell)


def test_what_was_said_of_a_peer_that_went_meanwhile_does_not_count(tmp_path: Path) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path)

        class Leaving(Scripted):
            async def probe(self, told: Strike) -> Proof:
                bench.state = replace(bench.state, members=())
                return LIE

        bench.methods["bmc"] = Leaving("bmc", traits=ASKABLE)
        await bench.pass_s(0)
        await bench.pass_s(FIRST_S)
        assert bench.book.of(DB2.node, "bmc").proof is None

    story(tell)


def test_a_failing_device_is_told_once_as_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def tell() -> None:
        bench = Bench(tmp_path)
        bench.methods["bmc"].proof = FAILED
        await bench.pass_s(0)
        for _ in range(6):
            await bench.pass_s(EVERY_S)
        errors = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert [record.getMessage() for record in errors] == ["probe: bmc could not fence db2 now: login refused (401)"]
        assert "the last 6 probes of bmc failed" in level_bar(bench.terms, ["bmc"], DB2.node, bench.book.of)

    story(tell)


# --- what counts as proven ----------------------------------------------------------------------


def test_a_proof_is_good_for_three_rounds(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.book.probed(DB2.node, "bmc", GOOD)
    bench.clock.pass_s(3 * EVERY_S)
    assert bench.proven()
    assert not is_stale(bench.terms, DB2.node, bench.book.of, bench.clock.now_s())
    bench.clock.pass_s(1.0)
    assert not bench.proven()
    assert is_stale(bench.terms, DB2.node, bench.book.of, bench.clock.now_s())


def test_every_askable_method_of_a_level_must_be_proven_and_none_quarantined(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Scripted("a", traits=ASKABLE), Scripted("b", traits=ASKABLE), Scripted("hook"))
    bench.book.probed(DB2.node, "a", GOOD)
    assert not bench.proven()
    bench.book.probed(DB2.node, "b", GOOD)
    assert bench.proven()
    bench.book.probed(DB2.node, "b", LIE)
    assert not bench.proven()


def test_a_level_that_needs_the_nodes_own_help_proves_nothing_beside_others(tmp_path: Path) -> None:
    """Its controller answers while it lives, and never when it has lost its power."""
    bench = Bench(tmp_path, Scripted("ask", traits=ASKABLE), Scripted("bmc", traits=ASKABLE))
    bench.book.probed(DB2.node, "ask", GOOD)
    helped = replace(bench.terms, levels=[["ask"], ["bmc"]], needs_help=frozenset({"ask"}))
    now_s = bench.clock.now_s()
    assert not proven_at(helped, DB2.node, bench.book.of, now_s)
    assert proven_at(replace(helped, levels=[["ask"]]), DB2.node, bench.book.of, now_s), "there is no other"
    assert not proven_at(replace(helped, every_s=None), DB2.node, bench.book.of, now_s), "nothing is on schedule"


def test_an_operators_word_alone_is_no_proof(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Scripted("manual"))
    assert not bench.proven()
    assert is_usable(bench.terms, DB2.node, bench.book.of)
