"""`kind: redfish` against a real emulator (sushy-tools) behind TLS and a password."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from failover.core.values import Node, Verdict
from failover.ports.service import Proof, Result
from fencing.redfish.method import RedfishFence
from tests.fencing.redfish import asked, settings_of
from tests.fencing.strikes import strike
from tests.servers import sushy as sushy_server
from tests.servers.authority import Authority
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.secret import secret
from tests.servers.sushy import PASSWORD, Sushy, sushy

pytestmark = [
    pytest.mark.skipif(bool(sushy_server.missing()), reason=f"missing: {', '.join(sushy_server.missing())}"),
    # httpx leaves a socket to the collector where a deadline ends it in the middle of TLS's handshake.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Sushy]:
    with sushy() as running:
        yield running


@pytest.fixture
def bmc(emulator: Sushy) -> Sushy:
    emulator.reset()
    return emulator


async def fence(method: RedfishFence) -> Result:
    return await method.fence(strike())


async def probe(method: RedfishFence) -> Proof:
    return await method.probe(strike())


def test_a_system_that_is_on_is_switched_off_and_no_other(tmp_path: Path, bmc: Sushy) -> None:
    result = asked(settings_of(tmp_path, bmc.ca), bmc, fence)
    assert (result.verdict, result.saw_on) == (Verdict.DONE, True)
    assert result.detail == "the BMC says Off, twice"
    assert (bmc.power("node-a"), bmc.power("node-b")) == ("On", "Off")


def test_a_system_that_is_off_is_done_but_was_not_seen_on(tmp_path: Path, bmc: Sushy) -> None:
    bmc.order("node-b", "ForceOff")
    result = asked(settings_of(tmp_path, bmc.ca), bmc, fence)
    assert (result.verdict, result.saw_on) == (Verdict.DONE, False)
    assert result.detail == "the BMC said Off before anything was ordered, so nothing was; it says Off, twice"


def test_an_address_and_a_system_without_placeholders_are_a_peers(tmp_path: Path, bmc: Sushy) -> None:
    settings = settings_of(tmp_path, bmc.ca, address=bmc.address, system=bmc.system("node-b"))
    assert asked(settings, bmc, fence).verdict is Verdict.DONE


@pytest.mark.parametrize("where", ["literal", "filled in"])
def test_a_target_of_our_own_name_is_not_struck_by_what_strikes_us(tmp_path: Path, bmc: Sushy, where: str) -> None:
    here = {"address": bmc.address, "system": bmc.system("node-a")}
    settings = settings_of(tmp_path, bmc.ca, **(here if where == "literal" else {}))
    nodes = {"db1": {"bmc": bmc.address, "system": bmc.system("node-a")}}
    before = strike(Node("db1", "machine-0"), facts=nodes["db1"])
    result = asked(settings, bmc, lambda _: RedfishFence("power", settings, nodes).fence(before))
    assert result.verdict is Verdict.UNKNOWN
    assert "it would strike this host" in result.detail
    assert bmc.power("node-a") == "On"


def test_a_target_of_our_own_name_with_another_system_is_struck(tmp_path: Path, bmc: Sushy) -> None:
    settings = settings_of(tmp_path, bmc.ca)
    nodes = {"db1": {"bmc": bmc.address, "system": bmc.system("node-a")}}
    before = strike(Node("db1", "machine-0"), facts={"bmc": bmc.address, "system": bmc.system("node-b")})
    result = asked(settings, bmc, lambda _: RedfishFence("power", settings, nodes).fence(before))
    assert result.verdict is Verdict.DONE
    assert (bmc.power("node-a"), bmc.power("node-b")) == ("On", "Off")


def test_the_power_is_given_back(tmp_path: Path, bmc: Sushy) -> None:
    bmc.order("node-b", "ForceOff")
    result = asked(settings_of(tmp_path, bmc.ca, restore=True), bmc, lambda method: method.restore(strike()))
    assert (result.verdict, result.detail) == (Verdict.DONE, "the BMC says On, twice")
    assert bmc.power("node-b") == "On"


def test_a_system_that_goes_off_slowly_is_waited_for(tmp_path: Path, bmc: Sushy) -> None:
    bmc.delay("1")
    result = asked(settings_of(tmp_path, bmc.ca), bmc, fence)
    assert (result.verdict, result.saw_on) == (Verdict.DONE, True)


def test_a_system_that_goes_off_after_the_deadline_is_not_known(tmp_path: Path, bmc: Sushy) -> None:
    bmc.delay("20")
    result = asked(settings_of(tmp_path, bmc.ca, timeout="4s"), bmc, fence)
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, True)
    assert result.detail == "not off within 4s: it still says On"


def test_a_power_that_is_stuck_is_never_done(tmp_path: Path, bmc: Sushy) -> None:
    bmc.delay("stuck")
    result = asked(settings_of(tmp_path, bmc.ca, timeout="3s"), bmc, fence)
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, True)
    assert bmc.power("node-b") == "On"


def test_a_wrong_password_says_so_and_is_not_told(tmp_path: Path, bmc: Sushy) -> None:
    settings = settings_of(tmp_path, bmc.ca, "wr0ng-one")
    result = asked(settings, bmc, fence)
    assert (result.verdict, result.saw_on) == (Verdict.NOT_DONE, False)
    assert result.detail.startswith("login refused (401) for fencer: check user and password; it says:")
    assert "wr0ng-one" not in f"{result}{settings!r}{settings.model_dump()}"
    proof = asked(settings, bmc, probe)
    assert (proof.verdict, proof.lies) == (Verdict.NOT_DONE, False)
    assert bmc.power("node-b") == "On"


def test_a_system_that_is_not_there_is_not_off(tmp_path: Path, bmc: Sushy) -> None:
    settings = settings_of(tmp_path, bmc.ca, system="/redfish/v1/Systems/nope")
    result = asked(settings, bmc, fence)
    assert result.verdict is Verdict.NOT_DONE
    assert result.detail.startswith("there is no /redfish/v1/Systems/nope (404): GET /redfish/v1/Systems lists")


def test_a_certificate_of_another_ca_is_not_trusted(tmp_path: Path, bmc: Sushy) -> None:
    result = asked(settings_of(tmp_path, Authority(tmp_path / "other").path), bmc, fence)
    assert result.verdict is Verdict.NOT_DONE
    assert "is not trusted: write ca: with the path of the CA that signed it" in result.detail
    assert bmc.power("node-b") == "On"


def test_a_private_ca_is_not_in_the_systems_trust_store(tmp_path: Path, bmc: Sushy) -> None:
    result = asked(settings_of(tmp_path, None), bmc, fence)
    assert result.verdict is Verdict.NOT_DONE
    assert "is not trusted" in result.detail


def test_a_ca_that_cannot_be_read_is_told(tmp_path: Path, bmc: Sushy) -> None:
    result = asked(settings_of(tmp_path, tmp_path / "gone.pem"), bmc, fence)
    assert (result.verdict, result.detail) == (
        Verdict.NOT_DONE,
        f"ca {tmp_path}/gone.pem cannot be read: No such file or directory",
    )
    (tmp_path / "empty.pem").write_text("")
    result = asked(settings_of(tmp_path, tmp_path / "empty.pem"), bmc, fence)
    assert (result.verdict, result.detail) == (
        Verdict.NOT_DONE,
        f"ca {tmp_path}/empty.pem holds no certificate (PEM)",
    )


def test_an_unchecked_certificate_is_the_operators_choice(tmp_path: Path, bmc: Sushy) -> None:
    assert asked(settings_of(tmp_path, None, insecure=True), bmc, probe).verdict is Verdict.DONE


def test_a_port_that_nobody_listens_on_is_told(tmp_path: Path, bmc: Sushy) -> None:
    address = f"{LOOPBACK}:{free_port()}"
    result = asked(settings_of(tmp_path, bmc.ca, address=address), bmc, fence)
    words = f"https://{address} refuses connections: check address and port"
    assert (result.verdict, result.detail) == (Verdict.NOT_DONE, words)


def test_a_name_that_is_not_known_is_told(tmp_path: Path, bmc: Sushy) -> None:
    result = asked(settings_of(tmp_path, bmc.ca, address="bmc.invalid"), bmc, fence)
    assert result.verdict is Verdict.NOT_DONE
    assert "https://bmc.invalid:443: its name is not known" in result.detail


def test_a_frozen_bmc_that_only_accepts_is_not_known(tmp_path: Path, bmc: Sushy) -> None:
    settings = settings_of(tmp_path, bmc.ca, connect_timeout="300ms")
    bmc.process.pause()
    result, proof = asked(settings, bmc, fence), asked(settings, bmc, probe)
    bmc.process.resume()
    assert (result.verdict, proof.verdict) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
    assert result.detail == f"https://{bmc.address} does not answer within 0.3s: is it up, and reachable?"


def test_a_probe_says_on_for_a_living_node_and_changes_nothing(tmp_path: Path, bmc: Sushy) -> None:
    proof = asked(settings_of(tmp_path, bmc.ca), bmc, probe)
    assert (proof.verdict, proof.on, proof.lies) == (Verdict.DONE, True, False)
    assert proof.detail == f"{bmc.system('node-b')} says On"
    assert bmc.power("node-b") == "On"


def test_a_bmc_that_says_off_for_a_living_node_lies(tmp_path: Path, bmc: Sushy) -> None:
    bmc.order("node-b", "ForceOff")
    proof = asked(settings_of(tmp_path, bmc.ca), bmc, probe)
    assert (proof.verdict, proof.on, proof.lies) == (Verdict.NOT_DONE, False, True)
    assert proof.detail == f"{bmc.system('node-b')} says Off for a node that lives: it is another's"


def test_a_plan_shows_what_would_be_done_without_asking_and_without_the_password(tmp_path: Path, bmc: Sushy) -> None:
    async def planned(method: RedfishFence) -> dict[str, str]:
        return {line.name: line.value for line in method.plan(strike())}

    lines = asked(settings_of(tmp_path, bmc.ca, restore=True, attempts=2), bmc, planned)
    assert lines == {
        "BMC": f"https://{bmc.address}",
        "system": bmc.system("node-b"),
        "orders": "ForceOff; On, once a peer is active",
        "user": "fencer",
        "password": "******",
        "certificate": f"signed by {bmc.ca}",
        "each answer": "within 5 s",
    }
    assert PASSWORD not in str(lines)


def test_a_fact_that_is_missing_is_said_and_nothing_is_struck(tmp_path: Path, bmc: Sushy) -> None:
    settings = settings_of(tmp_path, bmc.ca, address="{node.bcm}")
    result = asked(settings, bmc, fence)
    assert result.verdict is Verdict.UNKNOWN
    assert result.detail.startswith("{node.bcm} is not known: known are ")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"bmc": "http://10.9.0.12"}, "would show the password to the network: write https"),
        ({"system": "/redfish/v1/Systems"}, "not the path of one system"),
        ({"system": "/redfish/v1/Systems/1/../2"}, "not the path of one system"),
        ({"bmc": "10.9.0.12/x?"}, "10.9.0.12"),
    ],
)
def test_facts_that_lead_elsewhere_are_refused(tmp_path: Path, bmc: Sushy, facts: dict[str, str], words: str) -> None:
    """The facts are the breadcrumb's: nobody has checked them."""
    result = asked(settings_of(tmp_path, bmc.ca), bmc, lambda method: method.fence(strike(facts=facts)))
    assert result.verdict is Verdict.UNKNOWN
    assert words in result.detail


def test_a_file_that_was_read_without_its_secrets_can_be_planned_but_not_used(tmp_path: Path, bmc: Sushy) -> None:
    from config.models.fencing import RedfishMethodSettings

    keys = settings_of(tmp_path, bmc.ca).model_dump(mode="json") | {"password": secret(tmp_path, PASSWORD)}
    keys["timeout"], keys["connect_timeout"] = "10s", "5s"
    unread = RedfishMethodSettings.model_validate(keys, context={"read_secrets": False})
    result = asked(unread, bmc, fence)
    assert result.verdict is Verdict.UNKNOWN
    assert "was not read" in result.detail
