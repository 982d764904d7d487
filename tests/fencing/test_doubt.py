"""The chain doubts what it is told (S7): devices that lie, hosts that still answer, methods that stop too little."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from failover.core.values import Breadcrumb, Node, Verdict
from failover.ports.fences import FenceReport
from failover.ports.service import Result, Traits
from failover.support.knocking import Answer
from fencing.chain import Chain, EmptyBook, StrikeRecord
from fencing.contradiction import Verify, look
from tests.fencing.strikes import OWN, TARGET, Scripted, strike
from tests.servers.ports import free_port

DONE, UNKNOWN = Verdict.DONE, Verdict.UNKNOWN
POWER = Traits(power=True, witnessed=True, attempts=2)
NOBODY = Verify((22,), 0.2)
PATIENT = Verify((22,), 10.0)  # this host answers at once, or when it has time
SILENT = "fd00::1"
"""A private network that no machine of a test is in: nobody answers, or there is no way there."""


class Known(EmptyBook):
    """A book with something in it, that takes notes."""

    def __init__(self, on: bool = False, quarantine: str = "", off: str = "") -> None:
        self.on, self.quarantine, self.off = on, quarantine, off
        self.strikes: list[StrikeRecord] = []
        self.reports: list[FenceReport] = []

    def quarantined(self, target: Node, method: str) -> str:
        return self.quarantine

    def seen_on(self, target: Node, method: str) -> bool:
        return self.on

    def off_since(self, target: Breadcrumb) -> str:
        return self.off

    def struck(self, record: StrikeRecord) -> None:
        self.strikes.append(record)

    def ended(self, report: FenceReport) -> None:
        self.reports.append(report)


async def proven() -> bool:
    return True


def ran(
    book: Known, *levels: list[Scripted], verify: Verify | None = None, host: str = SILENT, port: int = 1
) -> Result:
    verify = verify or (NOBODY if host == SILENT else PATIENT)
    methods = {method.name: method for level in levels for method in level}
    chain = Chain(methods, [[method.name for method in level] for level in levels], 10.0, OWN, book, verify)
    return asyncio.run(chain.run(strike(address=f"[{host}]:{port}", facts={"address": host}), proven))


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_s7_a_device_that_has_never_said_on_is_not_believed() -> None:
    """`Success: Already OFF`, for an outlet that does not exist."""
    result = ran(Known(), [Scripted("pdu", DONE, traits=POWER)])
    assert result.verdict is UNKNOWN
    assert "its device has never said ON for db2" in result.detail


@pytest.mark.parametrize(("before", "now"), [(True, False), (False, True)])
def test_s7_a_device_that_has_said_on_is_believed(before: bool, now: bool) -> None:
    assert ran(Known(on=before), [Scripted("pdu", DONE, traits=POWER, saw_on=now)]).verdict is DONE


def test_s7_what_the_first_try_has_seen_counts_for_the_second() -> None:
    """The first try timed out after it had switched: the second finds it off already."""
    pdu = Scripted("pdu", UNKNOWN, DONE, traits=POWER, saw_on=True)
    book = Known()
    assert ran(book, [pdu]).verdict is DONE
    assert [record.saw_on for record in book.strikes] == [True, True]


def test_s7_a_device_in_quarantine_is_not_asked() -> None:
    pdu, other = Scripted("pdu", DONE, traits=POWER, saw_on=True), Scripted("ask", DONE)
    result = ran(Known(quarantine="it said OFF for a living node"), [pdu])
    assert (result.verdict, pdu.struck) == (UNKNOWN, 0)
    assert "not used: it said OFF for a living node" in result.detail
    assert other.struck == 0


@pytest.mark.parametrize(("second", "verdict"), [(Traits(whole=False), UNKNOWN), (Traits(), DONE)])
def test_s7_a_method_that_stops_only_the_service_never_ends_a_chain_alone(second: Traits, verdict: Verdict) -> None:
    level = [Scripted("stop", DONE, traits=Traits(whole=False)), Scripted("other", DONE, traits=second)]
    result = ran(Known(), level)
    assert result.verdict is verdict
    assert ("not its controller" in result.detail) is (verdict is UNKNOWN)


def test_s7_power_that_is_off_while_something_answers_is_not_off() -> None:
    with listening() as port:
        result = ran(Known(on=True), [Scripted("pdu", DONE, traits=POWER)], host="127.0.0.1", port=port)
    assert result.verdict is UNKNOWN
    assert f"127.0.0.1:{port} accepts connections" in result.detail


@pytest.mark.parametrize(("counts", "verdict"), [(True, UNKNOWN), (False, DONE)])
def test_s7_a_refusal_comes_from_a_living_kernel_unless_a_firewall_gives_it(counts: bool, verdict: Verdict) -> None:
    verify, port = Verify((), 10.0, refusal_counts=counts), free_port()
    level = [Scripted("pdu", DONE, traits=POWER)]
    result = ran(Known(on=True), level, verify=verify, host="127.0.0.1", port=port)
    assert result.verdict is verdict
    assert "a kernel is alive there" in result.detail


def test_s7_what_accepts_is_never_let_pass() -> None:
    with listening() as port:
        verify = Verify((port,), 10.0, refusal_counts=False)
        result = ran(Known(on=True), [Scripted("pdu", DONE, traits=POWER)], verify=verify, host="127.0.0.1")
    assert result.verdict is UNKNOWN


def test_a_host_with_two_power_supplies_may_answer_between_the_two() -> None:
    """What answers is looked at once the whole level is done."""
    second = Scripted("pdu2", DONE, traits=POWER)
    with listening() as port:
        ran(Known(on=True), [Scripted("pdu1", DONE, traits=POWER), second], host="127.0.0.1", port=port)
    assert second.struck == 1


def test_what_takes_no_power_may_leave_a_host_that_answers() -> None:
    with listening() as port:
        assert ran(Known(), [Scripted("ask", DONE)], host="127.0.0.1", port=port).verdict is DONE


def test_a_contradicted_level_leaves_the_next_its_turn() -> None:
    last = Scripted("hook", DONE)
    with listening() as port:
        result = ran(Known(on=True), [Scripted("pdu", DONE, traits=POWER)], [last], host="127.0.0.1", port=port)
    assert (result.verdict, last.struck) == (DONE, 1)


def test_s7_a_boot_that_is_known_to_have_ended_needs_no_strike() -> None:
    power, book = Scripted("pdu", DONE, traits=POWER), Known(off="fenced by service users")
    result = ran(book, [power])
    assert (result.verdict, power.struck) == (DONE, 0)
    assert [report.level for report in book.reports] == [0]


def test_a_report_says_which_level_did_it_and_whether_it_took_the_power() -> None:
    book = Known(on=True)
    ran(book, [Scripted("ask", UNKNOWN)], [Scripted("pdu", DONE, traits=POWER)])
    (report,) = book.reports
    assert (report.level, report.methods, report.power, report.target.node) == (2, ("pdu",), True, TARGET)


def test_every_door_is_tried_once() -> None:
    with listening() as port:
        crumb = Breadcrumb(TARGET, 1, "boot", f"127.0.0.1:{port}", facts={"address": "127.0.0.1"})
        assert asyncio.run(look(crumb, Verify((port,), 10.0))) == {f"127.0.0.1:{port}": Answer.ACCEPTED}


def test_without_an_address_there_is_no_door() -> None:
    assert asyncio.run(look(Breadcrumb(TARGET, 1, "boot"), Verify((22,), 0.5))) == {}


@pytest.mark.parametrize("host", ["db..2", "d" * 70, "db2\0"])
def test_a_host_that_cannot_be_is_silent_and_breaks_nothing(host: str) -> None:
    """Its owner's configuration takes it; the peers that must fence it would all end at it, one after the other."""
    crumb = Breadcrumb(TARGET, 1, "boot", f"{host}:8300", facts={"address": host})
    assert set(asyncio.run(look(crumb, Verify((22,), 0.5))).values()) == {Answer.SILENT}
    crumb = Breadcrumb(TARGET, 1, "boot", "127.0.0.1:99999")
    assert set(asyncio.run(look(crumb, NOBODY)).values()) <= {Answer.SILENT, Answer.REFUSED, Answer.ACCEPTED}
