"""`fence_apc_snmp` against a real SNMP agent: an outlet that does not exist is never a host that is off."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.models.fencing import AgentMethodSettings
from failover.core.values import Verdict
from failover.ports.service import Result
from failover.support.launcher import Launcher
from fencing.agent.method import AgentFence
from fencing.chain import Chain
from tests.fencing.agents import NODES, asked, chained, settings_of
from tests.fencing.strikes import OWN, strike
from tests.servers import snmp
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.secret import secret
from tests.servers.snmp import COMMUNITY, Pdu
from tests.support.hooks import with_launcher

pytestmark = pytest.mark.skipif(bool(snmp.missing()), reason=f"missing: {', '.join(snmp.missing())}")


@pytest.fixture
def pdu() -> Iterator[Pdu]:
    with Pdu() as server:
        yield server


async def fence(method: AgentFence) -> Result:
    return await method.fence(strike())


def apc(folder: Path, pdu: Pdu, plug: Any, community: str = COMMUNITY, **more: Any) -> AgentMethodSettings:
    options = {
        "ip": LOOPBACK,
        "ipport": pdu.port,
        "community": secret(folder, community),
        "snmp_version": "2c",
        "plug": plug,
        **more.pop("options", {}),
    }
    return settings_of("fence_apc_snmp", options, **more)


def test_an_outlet_is_switched_off_by_its_number_and_on_again(tmp_path: Path, pdu: Pdu) -> None:
    settings = apc(tmp_path, pdu, "{node.outlet}", restore=True)

    async def off_and_on(method: AgentFence) -> tuple[Result, Result]:
        return await method.fence(strike()), await method.restore(strike())

    off, on = asked(tmp_path, settings, off_and_on)
    assert (off.verdict, off.saw_on) == (Verdict.DONE, True)
    assert pdu.orders() == ["2 off", "2 on"]
    assert (on.verdict, on.detail) == (Verdict.DONE, "its device says ON")


def test_both_outlets_of_a_host_are_switched_off_as_one(tmp_path: Path, pdu: Pdu) -> None:
    result = asked(tmp_path, apc(tmp_path, pdu, [2, 3]), fence)
    assert (result.verdict, result.saw_on) == (Verdict.DONE, True)
    assert [pdu.is_on(outlet) for outlet in (1, 2, 3, 4)] == [True, False, False, True]
    assert 'plug 2: exit 0, "Success: Powered OFF"; plug 3: exit 0, "Success: Powered OFF"' in result.detail


@pytest.mark.long
def test_both_outlets_are_given_back(tmp_path: Path, pdu: Pdu) -> None:
    settings = apc(tmp_path, pdu, [2, 3], restore=True, timeout="30s")
    assert asked(tmp_path, settings, fence).verdict is Verdict.DONE
    result = asked(tmp_path, settings, lambda method: method.restore(strike()))
    assert (result.verdict, result.detail) == (Verdict.DONE, "its device says ON")
    assert pdu.orders() == ["2 off", "3 off", "2 on", "3 on"]


def test_a_plan_says_that_each_plug_is_asked_by_itself(tmp_path: Path, pdu: Pdu) -> None:
    async def planned(method: AgentFence) -> list[tuple[str, str]]:
        return [(line.name, line.value) for line in method.plan(strike())]

    lines = asked(tmp_path, apc(tmp_path, pdu, [2, 3]), planned)
    assert ("action", "status, off, status, for each plug by itself") in lines
    assert ("plug", "2,3") in lines


def test_s7_an_outlet_that_does_not_exist_does_not_hide_behind_one_that_is_on(tmp_path: Path, pdu: Pdu) -> None:
    """The host would live on by its other power supply. Asked for both at once, the agent says ON, and then OFF."""
    result = chained(tmp_path, apc(tmp_path, pdu, [2, 77], timeout="30s"))
    assert result.verdict is Verdict.UNKNOWN
    assert 'plug 2: exit 0, "Success: Powered OFF"; plug 77: exit 0, "Success: Already OFF"' in result.detail
    assert "its device has never said ON for db2" in result.detail


@pytest.mark.long
def test_of_two_outlets_one_that_is_off_proves_nothing_and_is_told(tmp_path: Path, pdu: Pdu) -> None:
    assert asked(tmp_path, apc(tmp_path, pdu, 3), fence).verdict is Verdict.DONE
    proof = asked(tmp_path, apc(tmp_path, pdu, [2, 3]), lambda method: method.probe(strike()))
    assert (proof.verdict, proof.on, proof.lies) == (Verdict.NOT_DONE, False, False)
    assert proof.detail.startswith("its device says OFF for a plug of a node that lives: plug 2: exit 0")
    assert "plug 3: exit 2" in proof.detail


def test_an_outlet_that_does_not_exist_is_found_out_by_a_probe(tmp_path: Path, pdu: Pdu) -> None:
    proof = asked(tmp_path, apc(tmp_path, pdu, 77), lambda method: method.probe(strike()))
    assert (proof.verdict, proof.on, proof.lies) == (Verdict.NOT_DONE, False, True)
    assert proof.detail == ("its device says OFF for a node that lives; plug 77 is not in the device's list (1-8)")


def test_an_outlet_that_does_not_exist_never_ends_a_chain(tmp_path: Path, pdu: Pdu) -> None:
    """The agent says `Success: Already OFF` and exits with 0."""

    async def story(launcher: Launcher) -> tuple[Result, Result]:
        method = AgentFence("outlet", apc(tmp_path, pdu, 77), launcher, NODES)

        async def proven() -> bool:
            return True

        alone = await method.fence(strike())
        return alone, await Chain({"outlet": method}, [["outlet"]], 30.0, OWN).run(strike(), proven)

    alone, chain = with_launcher(tmp_path, story)
    assert "Already OFF" in alone.detail
    assert alone.saw_on is False
    assert chain.verdict is Verdict.UNKNOWN
    assert "its device has never said ON for db2" in chain.detail


def test_a_living_hosts_outlet_is_on_and_listed(tmp_path: Path, pdu: Pdu) -> None:
    proof = asked(tmp_path, apc(tmp_path, pdu, 8), lambda method: method.probe(strike()))
    assert (proof.verdict, proof.on, proof.detail) == (Verdict.DONE, True, "its device says ON")


def test_a_wrong_community_is_silence(tmp_path: Path, pdu: Pdu) -> None:
    settings = apc(tmp_path, pdu, 2, community="wr0ng-one", options={"snmp_version": "1"}, timeout="16s")
    proof = asked(tmp_path, settings, lambda method: method.probe(strike()))
    assert (proof.verdict, proof.on, proof.lies) == (Verdict.UNKNOWN, False, False)
    assert proof.detail.startswith("status: it does not answer: wrong address or community, or it is down")
    assert "wr0ng-one" not in proof.detail


@pytest.mark.long
@pytest.mark.parametrize("fault", ["community", "address", "port", "paused"])
def test_a_device_that_does_not_answer_is_not_known(tmp_path: Path, pdu: Pdu, fault: str) -> None:
    """An order that was never heard and one whose answer was lost look the same by UDP."""
    community = "wr0ng-one" if fault == "community" else COMMUNITY
    options = {"address": {"ip": "127.0.0.2"}, "port": {"ipport": free_port()}}.get(fault, {})
    if fault == "paused":
        pdu.pause()
    result = asked(tmp_path, apc(tmp_path, pdu, 2, community, options=options, timeout="24s"), fence)
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, False)
    assert result.detail.startswith("off: it does not answer: wrong address or community, or it is down (exit 1")
    assert "whether it is off is not known" in result.detail
    assert community not in result.detail
    assert pdu.orders() == []


def test_a_device_that_is_silent_ends_at_the_deadline(tmp_path: Path, pdu: Pdu) -> None:
    pdu.pause()
    result = asked(tmp_path, apc(tmp_path, pdu, 2, timeout="2s"), fence)
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, False)
    assert "the agent was killed" in result.detail
    assert pdu.orders() == []


def test_a_device_that_answers_after_the_deadline_is_not_known(tmp_path: Path, pdu: Pdu) -> None:
    pdu.answer_after(1.0)
    result = asked(tmp_path, apc(tmp_path, pdu, 2, timeout="2s"), fence)
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, False)
    assert result.detail.startswith("off: no answer in ")
    assert "the agent was killed; whether it is off is not known: no answer in " in result.detail
    assert pdu.is_on(2)
    assert pdu.orders() == []


@pytest.mark.long
def test_an_outlet_that_is_stuck_is_never_done(tmp_path: Path, pdu: Pdu) -> None:
    pdu.stick()
    result = asked(tmp_path, apc(tmp_path, pdu, 2, options={"power_timeout": 2}, timeout="30s"), fence)
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, True)
    assert "it took the order, but the power has stayed on" in result.detail
    assert result.detail.endswith("but its device says that it is ON")
    assert pdu.orders() == ["2 off"]


@pytest.mark.long
def test_an_outlet_that_is_off_already_ends_no_chain_alone(tmp_path: Path, pdu: Pdu) -> None:
    settings = apc(tmp_path, pdu, 2, timeout="30s")
    assert asked(tmp_path, settings, fence).verdict is Verdict.DONE
    result = chained(tmp_path, settings)
    assert result.verdict is Verdict.UNKNOWN
    assert "Already OFF" in result.detail
    assert "its device has never said ON for db2" in result.detail
    assert pdu.orders() == ["2 off"]
