"""`fence_ipmilan` against a real BMC simulator, whose power switch kills the processes of a real "host"."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from failover.core.values import Verdict
from tests.fencing.agents import asked, chained, ipmi
from tests.fencing.strikes import strike
from tests.servers import ipmi as ipmi_server
from tests.servers.guardian import scratch_folder
from tests.servers.ipmi import PASSWORD, Bmc
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess
from tests.servers.wait import eventually

pytestmark = pytest.mark.skipif(bool(ipmi_server.missing()), reason=f"missing: {', '.join(ipmi_server.missing())}")


class PoweredHost:
    """A "host": a process group that listens, and has its power from the BMC."""

    def __init__(self) -> None:
        self.folder = scratch_folder("host")
        self.port = free_port()
        command = [sys.executable, "-m", "http.server", "--bind", LOOPBACK, str(self.port)]
        self.process = ServerProcess(command, self.folder / "log")
        self.pid_file = self.folder / "pid"

    def start(self) -> None:
        self.process.start()
        self.pid_file.write_text(str(self.process.pid))
        eventually(self.answers, 10, "the host answers")

    def answers(self) -> bool:
        with socket.socket() as trial:
            return trial.connect_ex((LOOPBACK, self.port)) == 0


@pytest.fixture
def host() -> Iterator[PoweredHost]:
    made = PoweredHost()
    made.start()
    yield made
    made.process.kill()


@pytest.fixture
def bmc(host: PoweredHost) -> Iterator[Bmc]:
    with Bmc([host.pid_file]) as server:
        yield server


def test_a_host_that_is_on_is_switched_off_and_its_port_is_closed(tmp_path: Path, bmc: Bmc, host: PoweredHost) -> None:
    result = asked(tmp_path, ipmi(tmp_path, bmc), lambda method: method.fence(strike()))
    assert (result.verdict, result.saw_on) == (Verdict.DONE, True)
    assert result.detail == 'its device says OFF (off: exit 0, "Success: Powered OFF")'
    eventually(lambda: not host.process.running, 5, "the host's process has ended")
    assert not host.answers()
    assert bmc.asked()[-1] == "get power"


def test_a_host_that_is_off_is_done_but_was_not_seen_on(tmp_path: Path, bmc: Bmc) -> None:
    (bmc.folder / "off").touch()
    result = asked(tmp_path, ipmi(tmp_path, bmc), lambda method: method.fence(strike()))
    assert (result.verdict, result.saw_on) == (Verdict.DONE, False)
    assert "set power 0" not in bmc.asked()


def test_the_power_is_given_back(tmp_path: Path, bmc: Bmc) -> None:
    (bmc.folder / "off").touch()
    result = asked(tmp_path, ipmi(tmp_path, bmc, restore=True), lambda method: method.restore(strike()))
    assert (result.verdict, result.detail) == (Verdict.DONE, "its device says ON")
    assert bmc.is_on()


def test_a_power_that_is_stuck_is_never_done(tmp_path: Path, bmc: Bmc, host: PoweredHost) -> None:
    bmc.stick()
    settings = ipmi(tmp_path, bmc, options={"power_timeout": 2})
    result = asked(tmp_path, settings, lambda method: method.fence(strike()))
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, True)
    assert "it took the order, but the power has stayed on" in result.detail
    assert result.detail.endswith("but its device says that it is ON")
    assert host.answers()


def test_a_wrong_password_is_not_known_and_not_told(tmp_path: Path, bmc: Bmc, host: PoweredHost) -> None:
    settings = ipmi(tmp_path, bmc, password="wr0ng-one")
    result = asked(tmp_path, settings, lambda method: method.fence(strike()))
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, False)
    assert "it gives no status: a wrong user or password" in result.detail
    assert "wr0ng-one" not in result.detail
    assert host.answers()


def test_a_bmc_that_is_silent_ends_at_the_deadline(tmp_path: Path, bmc: Bmc) -> None:
    bmc.pause()
    result = asked(tmp_path, ipmi(tmp_path, bmc, timeout="2s"), lambda method: method.fence(strike()))
    bmc.resume()
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, False)
    assert "the agent was killed" in result.detail


def test_a_bmc_that_answers_after_the_deadline_is_not_known(tmp_path: Path, bmc: Bmc, host: PoweredHost) -> None:
    bmc.answer_after(2.0)
    result = asked(tmp_path, ipmi(tmp_path, bmc, timeout="4s"), lambda method: method.fence(strike()))
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, False)
    assert result.detail.startswith("off: no answer in ")
    assert "the agent was killed; whether it is off is not known: no answer in " in result.detail
    assert "set power 0" not in bmc.asked()
    assert host.answers()


def test_a_port_that_nobody_listens_on_is_not_known(tmp_path: Path, bmc: Bmc) -> None:
    settings = ipmi(tmp_path, bmc, timeout="2s", options={"ipport": free_port()})
    result = asked(tmp_path, settings, lambda method: method.fence(strike()))
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, False)
    assert "the agent was killed" in result.detail


def test_a_bmc_that_is_off_already_ends_no_chain_alone(tmp_path: Path, bmc: Bmc) -> None:
    (bmc.folder / "off").touch()
    result = chained(tmp_path, ipmi(tmp_path, bmc))
    assert result.verdict is Verdict.UNKNOWN
    assert "Already OFF" in result.detail
    assert "its device has never said ON for db2" in result.detail


def test_a_probe_says_on_for_a_living_host_and_changes_nothing(tmp_path: Path, bmc: Bmc) -> None:
    proof = asked(tmp_path, ipmi(tmp_path, bmc), lambda method: method.probe(strike()))
    assert (proof.verdict, proof.on, proof.lies) == (Verdict.DONE, True, False)
    assert set(bmc.asked()) == {"get power"}


def test_a_device_that_says_off_for_a_living_host_lies(tmp_path: Path, bmc: Bmc) -> None:
    (bmc.folder / "off").touch()
    proof = asked(tmp_path, ipmi(tmp_path, bmc), lambda method: method.probe(strike()))
    assert (proof.verdict, proof.on, proof.lies) == (Verdict.NOT_DONE, False, True)
    assert proof.detail.startswith("its device says OFF for a node that lives")


def test_a_probe_with_a_wrong_password_says_so(tmp_path: Path, bmc: Bmc) -> None:
    proof = asked(tmp_path, ipmi(tmp_path, bmc, password="wr0ng-one"), lambda method: method.probe(strike()))
    assert (proof.verdict, proof.on, proof.lies) == (Verdict.UNKNOWN, False, False)
    assert proof.detail.startswith("status: it gives no status: a wrong user or password")


def test_a_plan_shows_what_would_be_told_without_the_secret(tmp_path: Path, bmc: Bmc) -> None:
    async def planned(method: object) -> list[tuple[str, str]]:
        return [(line.name, line.value) for line in method.plan(strike())]  # type: ignore[attr-defined]

    lines = asked(tmp_path, ipmi(tmp_path, bmc), planned)
    assert ("program", "/usr/sbin/fence_ipmilan") in lines
    assert ("ip", LOOPBACK) in lines
    assert ("password", "******") in lines
    assert PASSWORD not in str(lines)
    assert bmc.asked() == []
