"""`fence_redfish` against a real emulator: called by hand through its standard input, and by `kind: agent`."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.models.fencing import AgentMethodSettings
from failover.core.values import Verdict
from failover.ports.service import Proof, Result
from fencing.agent.method import AgentFence
from tests.fencing.agents import asked, chained, settings_of
from tests.fencing.strikes import strike
from tests.servers import sushy as sushy_server
from tests.servers.authority import Authority
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.proxy import Relay
from tests.servers.secret import secret
from tests.servers.sushy import PASSWORD, USER, Sushy, sushy

AGENT = Path("/usr/sbin/fence_redfish")
MISSING = [*sushy_server.missing(), *([] if AGENT.exists() else ["`fence_redfish` (Debian: fence-agents)"])]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}")


@pytest.fixture(scope="module")
def emulator() -> Iterator[Sushy]:
    with sushy() as running:
        yield running


@pytest.fixture
def bmc(emulator: Sushy) -> Sushy:
    emulator.reset()
    return emulator


async def fence(method: AgentFence) -> Result:
    return await method.fence(strike())


async def probe(method: AgentFence) -> Proof:
    return await method.probe(strike())


def by_hand(bmc: Sushy, action: str, ca: Path | None = None) -> tuple[int, str]:
    """Exit code, and all that it says."""
    options = {
        "ip": LOOPBACK,
        "ipport": str(bmc.port),
        "username": USER,
        "password": PASSWORD,
        "systems_uri": bmc.system("node-b"),
        "power_timeout": "5",
        "action": action,
    }
    told = "".join(f"{name}={value}\n" for name, value in options.items())
    environment = {"PATH": "/usr/sbin:/usr/bin:/bin", "REQUESTS_CA_BUNDLE": str(ca or bmc.ca)}
    ended = subprocess.run(
        [AGENT], input=told, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def agent(
    folder: Path, bmc: Sushy, password: str = PASSWORD, ca: Path | None = None, **more: Any
) -> AgentMethodSettings:
    options = {
        "ip": "{node.bmc}",
        "ipport": bmc.port,
        "username": USER,
        "password": secret(folder, password),
        "systems_uri": bmc.system("node-b"),
        "power_timeout": 2,
        **more.pop("options", {}),
    }
    return settings_of("fence_redfish", options, ca=str(ca or bmc.ca), **more)


def test_by_hand_it_switches_off_and_on_again(bmc: Sushy) -> None:
    assert by_hand(bmc, "status")[0] == 0
    assert by_hand(bmc, "off")[0] == 0
    assert (bmc.power("node-a"), bmc.power("node-b")) == ("On", "Off")
    assert by_hand(bmc, "status")[0] == 2


def test_by_hand_a_wrong_ca_is_refused(tmp_path: Path, bmc: Sushy) -> None:
    code, said = by_hand(bmc, "off", Authority(tmp_path / "other").path)
    assert code == 1
    assert "CERTIFICATE_VERIFY_FAILED" in said
    assert bmc.power("node-b") == "On"


def test_the_agent_switches_off_and_gives_back(tmp_path: Path, bmc: Sushy) -> None:
    settings = agent(tmp_path, bmc, restore=True)
    result = asked(tmp_path, settings, fence)
    assert (result.verdict, result.saw_on) == (Verdict.DONE, True), result
    assert (bmc.power("node-a"), bmc.power("node-b")) == ("On", "Off")
    assert asked(tmp_path, settings, lambda method: method.restore(strike())).verdict is Verdict.DONE
    assert bmc.power("node-b") == "On"


def test_a_probe_by_the_agent_says_on(tmp_path: Path, bmc: Sushy) -> None:
    proof = asked(tmp_path, agent(tmp_path, bmc), probe)
    assert (proof.verdict, proof.on) == (Verdict.DONE, True), proof


def test_a_power_that_is_stuck_is_not_known_to_the_agent(tmp_path: Path, bmc: Sushy) -> None:
    bmc.delay("stuck")
    result = asked(tmp_path, agent(tmp_path, bmc), fence)
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, True)
    assert "it took the order, but the power has stayed on" in result.detail


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("password", "the question was refused: wrong user or password, or system"),
        ("ca", "its certificate is not trusted (see ca)"),
        ("system", "the question was refused: wrong user or password, or system"),
    ],
)
def test_what_the_bmc_does_not_let_in_is_not_known_to_the_agent(
    tmp_path: Path, bmc: Sushy, bad: str, words: str
) -> None:
    settings = {
        "password": lambda: agent(tmp_path, bmc, password="wr0ng-one"),
        "ca": lambda: agent(tmp_path, bmc, ca=Authority(tmp_path / "other").path),
        "system": lambda: agent(tmp_path, bmc, options={"systems_uri": "/redfish/v1/Systems/nope"}),
    }[bad]()
    result = asked(tmp_path, settings, fence)
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, False), result
    assert words in result.detail
    assert "wr0ng-one" not in result.detail
    assert bmc.power("node-b") == "On"


def test_a_frozen_bmc_does_not_hold_the_agent_beyond_its_deadline(tmp_path: Path, bmc: Sushy) -> None:
    settings = agent(tmp_path, bmc, timeout="2s")
    bmc.process.pause()
    result = asked(tmp_path, settings, fence)
    bmc.process.resume()
    assert result.verdict is Verdict.UNKNOWN
    assert "the agent was killed" in result.detail


def test_a_bmc_that_refuses_the_connection_is_not_known_to_the_agent(tmp_path: Path, bmc: Sushy) -> None:
    result = asked(tmp_path, agent(tmp_path, bmc, options={"ipport": free_port()}), fence)
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, False)
    assert result.detail.startswith("off: it refuses the connection: wrong address or port, or its service is down")
    assert "whether it is off is not known" in result.detail
    assert bmc.power("node-b") == "On"


def test_a_bmc_that_answers_after_the_deadline_is_not_known_to_the_agent(
    tmp_path: Path, bmc: Sushy, relay_to: Callable[[int], Relay]
) -> None:
    """The first of its answers, in the TLS handshake, takes longer than the order may."""
    relay = relay_to(bmc.port)
    relay.delay(0.6)
    before = bmc.powers("node-b")
    result = asked(tmp_path, agent(tmp_path, bmc, options={"ipport": relay.port}, timeout="2s"), fence)
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, False)
    assert result.detail.startswith("off: no answer in ")
    assert "the agent was killed; whether it is off is not known: no answer in " in result.detail
    assert bmc.powers("node-b") == before


def test_a_bmc_that_is_off_already_ends_no_chain_alone(tmp_path: Path, bmc: Sushy) -> None:
    bmc.order("node-b", "ForceOff")
    before = bmc.powers("node-b")
    result = chained(tmp_path, agent(tmp_path, bmc))
    assert result.verdict is Verdict.UNKNOWN
    assert "Already OFF" in result.detail
    assert "its device has never said ON for db2" in result.detail
    assert bmc.powers("node-b") == before
