"""`kind: redfish` and BMCs that answer what no emulator can be made to say: over real TLS, from real certificates."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
import pytest

from failover.core.values import Verdict
from failover.ports.service import Proof, Result
from fencing.redfish.client import LARGEST_BODY
from fencing.redfish.method import RedfishFence
from tests.fencing.redfish import Certificates, fence_of, settings_of, told
from tests.fencing.strikes import strike
from tests.servers.scripted_bmc import RESET, SYSTEM, Answer, ScriptedBmc, reply, system
from tests.servers.sushy import PASSWORD
from tests.servers.wait import eventually_async

pytestmark = [
    pytest.mark.skipif(not shutil.which("openssl"), reason="missing: `openssl` (Debian: openssl)"),
    # httpx leaves a socket to the collector where a deadline ends it in the middle of TLS's handshake.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ORDER = f'POST {RESET} {{"ResetType":"ForceOff"}}'


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


async def fence(method: RedfishFence) -> Result:
    return await method.fence(strike())


async def probe(method: RedfishFence) -> Proof:
    return await method.probe(strike())


def saying(gets: Iterable[bytes | None], post: bytes | None = reply(204)) -> Answer:
    """The answers to GET one after the other, the last again and again; to POST always the same."""
    left = list(gets)

    def answer(method: str, path: str) -> bytes | None:
        if method == "POST":
            return post
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


def struck(
    folder: Path, certificates: Certificates, answer: Answer, timeout: str = "10s", connect_timeout: str = "5s"
) -> tuple[Result, ScriptedBmc]:
    settings = settings_of(folder, certificates.ca, timeout=timeout, connect_timeout=connect_timeout)
    return told(settings, certificates.good, answer, fence)


# --- the certificate


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("expired", "has expired: renew it on the BMC"),
        ("other_name", "is for another name: write the address that it names, or renew it"),
    ],
)
def test_a_certificate_that_does_not_hold_stops_everything_before_the_password(
    tmp_path: Path, certificates: Certificates, which: str, words: str
) -> None:
    cert = getattr(certificates, which)
    result, bmc = told(settings_of(tmp_path, certificates.ca), cert, saying([system()]), fence)
    assert result.verdict is Verdict.NOT_DONE
    assert words in result.detail
    assert bmc.asked == []


def test_a_port_that_speaks_no_tls_is_told_and_gets_no_password(tmp_path: Path, certificates: Certificates) -> None:
    async def story() -> str:
        heard = b""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal heard
            heard += await reader.read(4096)
            writer.write(reply(200, "hello"))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            result = await fence(fence_of(settings_of(tmp_path, certificates.ca), address, SYSTEM))
        assert b"Authorization" not in heard
        assert result.verdict is Verdict.UNKNOWN
        return result.detail

    assert "does that port speak https?" in asyncio.run(story())


# --- the first answer


@pytest.mark.parametrize(
    ("said", "verdict", "words"),
    [
        (reply(401), Verdict.NOT_DONE, "login refused (401) for fencer: check user and password"),
        (reply(403), Verdict.NOT_DONE, "fencer may not do this (403): give it the role Operator"),
        (reply(404), Verdict.NOT_DONE, f"there is no {SYSTEM} (404): GET /redfish/v1/Systems lists"),
        (reply(405), Verdict.NOT_DONE, f"{SYSTEM} does not take GET (405): this BMC cannot do it"),
        (reply(409), Verdict.NOT_DONE, "the system is busy with another order (409)"),
        (reply(429), Verdict.NOT_DONE, "refused (429)"),
        (reply(500), Verdict.UNKNOWN, "the BMC has an error of its own (500)"),
        (reply(503), Verdict.UNKNOWN, "the BMC has an error of its own (503)"),
        (reply(302, Location="/elsewhere"), Verdict.UNKNOWN, "redirected elsewhere (302), which is not followed"),
        (reply(200, "<html>Welcome"), Verdict.UNKNOWN, "is not Redfish: the answer is no JSON object"),
        (reply(200, "[1]"), Verdict.UNKNOWN, "is not Redfish: the answer is no JSON object"),
        (reply(200, "[" * 200_000), Verdict.UNKNOWN, "is not Redfish: the answer is no JSON object"),
        (reply(200, b"\xff\xfe\x00"), Verdict.UNKNOWN, "is not Redfish: the answer is no JSON object"),
        (reply(200, b" " * (LARGEST_BODY + 1)), Verdict.UNKNOWN, "answers with more than 1024 KiB: that is no BMC"),
        (system(None), Verdict.UNKNOWN, "says nothing of its PowerState: this BMC cannot prove that it is off"),
        (system(7), Verdict.UNKNOWN, "says nothing of its PowerState"),
        (system(**{"@odata.id": f"{SYSTEM}0"}), Verdict.NOT_DONE, f"the BMC answers for {SYSTEM}0: correct system"),
        (system(**{"@odata.id": None, "Id": "2"}), Verdict.NOT_DONE, "answers for /redfish/v1/Systems/2"),
        (system(**{"@odata.id": None, "Id": None}), Verdict.NOT_DONE, "answers for nothing that says which it is"),
        (system(Actions=None), Verdict.NOT_DONE, "the BMC offers no ComputerSystem.Reset for this system"),
        (system(allowed=["On", "Nmi"]), Verdict.NOT_DONE, "the BMC does not allow ForceOff; it allows On, Nmi"),
        (b"garbage\r\n\r\n", Verdict.UNKNOWN, "broke off"),
    ],
)
def test_a_first_answer_that_cannot_be_used_orders_nothing(
    tmp_path: Path, certificates: Certificates, said: bytes, verdict: Verdict, words: str
) -> None:
    result, bmc = struck(tmp_path, certificates, saying([said]))
    assert (result.verdict, words in result.detail) == (verdict, True), result
    assert not any(line.startswith("POST") for line in bmc.asked)
    assert "/elsewhere" not in str(bmc.asked)
    proof, _ = told(settings_of(tmp_path, certificates.ca), certificates.good, saying([said]), probe)
    assert proof.verdict is verdict
    assert not proof.lies


def test_the_reset_of_another_system_is_not_ordered(tmp_path: Path, certificates: Certificates) -> None:
    actions = {"#ComputerSystem.Reset": {"target": "/redfish/v1/Systems/2/Actions/ComputerSystem.Reset"}}
    result, bmc = struck(tmp_path, certificates, saying([system(Actions=actions)]))
    assert (result.verdict, result.saw_on) == (Verdict.NOT_DONE, True)
    assert len(bmc.asked) == 1


@pytest.mark.parametrize("said", [None, b"HTTP/1.1 200 x\r\nContent-Length: 100000\r\n\r\n{"], ids=["none", "half"])
def test_a_bmc_that_falls_silent_ends_at_the_deadline_of_the_answer(
    tmp_path: Path, certificates: Certificates, said: bytes | None
) -> None:
    def answer(method: str, path: str) -> bytes | None:
        return said

    result, _ = struck(tmp_path, certificates, answer, connect_timeout="700ms")
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, False)
    assert "is silent for 0.7s" in result.detail


def test_an_answer_that_only_drips_ends_too(tmp_path: Path, certificates: Certificates) -> None:
    async def story() -> Result:
        left = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 x\r\nContent-Length: 100000\r\n\r\n")
            while not writer.is_closing():
                writer.write(b" ")
                await asyncio.sleep(0.05)
            left.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            settings = settings_of(tmp_path, None, connect_timeout="200ms", insecure=True)
            result = await fence(fence_of(settings, address, SYSTEM))
            await asyncio.wait_for(left.wait(), 5)
        return result

    result = asyncio.run(story())
    assert result.verdict is Verdict.UNKNOWN
    assert "has not ended its answer within 0.4s" in result.detail


def test_what_a_bmc_says_is_tamed_and_the_password_in_it_is_masked(tmp_path: Path, certificates: Certificates) -> None:
    error = {"error": {"@Message.ExtendedInfo": [{"Message": f"no\n\x1b[31m {PASSWORD} here"}]}}
    result, _ = struck(tmp_path, certificates, saying([reply(401, json.dumps(error))]))
    assert result.detail.endswith('it says: "no ?[31m ****** here"')
    for said in (system(f"Off {PASSWORD}"), system(" Off"), system(**{"@odata.id": PASSWORD})):
        proof, _ = told(settings_of(tmp_path, certificates.ca), certificates.good, saying([said]), probe)
        assert PASSWORD not in proof.detail
        assert (proof.verdict is not Verdict.DONE, proof.lies) == (True, False)


# --- the order


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "the BMC does not take the order (400)"),
        (401, "login refused (401) for fencer"),
        (403, "fencer may not do this (403): give it the role Operator"),
        (405, f"{RESET} does not take POST (405)"),
        (409, "the system is busy with another order (409)"),
    ],
)
def test_an_order_that_was_refused_while_the_system_stays_on_is_not_done(
    tmp_path: Path, certificates: Certificates, status: int, words: str
) -> None:
    result, bmc = struck(tmp_path, certificates, saying([system()], reply(status)))
    assert (result.verdict, result.saw_on) == (Verdict.NOT_DONE, True)
    assert result.detail.startswith(f"it still says On: {words}")
    assert bmc.asked.count(ORDER) == 1


@pytest.mark.parametrize("status", [302, 503])
def test_an_order_with_any_other_answer_may_have_been_taken(
    tmp_path: Path, certificates: Certificates, status: int
) -> None:
    answer = saying([system()], reply(status, Location="/elsewhere"))
    result, bmc = struck(tmp_path, certificates, answer, "3s")
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, True)
    assert result.detail.startswith("not off within 3s: it still says On; the order: ")
    assert f"({status})" in result.detail
    assert "/elsewhere" not in str(bmc.asked)
    answer = saying([system(), system(), system("Off")], reply(status, Location="/elsewhere"))
    assert struck(tmp_path, certificates, answer)[0].verdict is Verdict.DONE


def test_a_system_that_is_on_its_way_off_is_waited_for_though_it_refuses_the_order(
    tmp_path: Path, certificates: Certificates
) -> None:
    states = [system("PoweringOff"), system("PoweringOff"), system("Off")]
    result, _ = struck(tmp_path, certificates, saying(states, reply(409)))
    assert (result.verdict, result.saw_on) == (Verdict.DONE, False)
    result, _ = struck(tmp_path, certificates, saying([system("PoweringOff")], reply(409)), "3s")
    assert result.verdict is Verdict.UNKNOWN
    assert "it still says PoweringOff; the order: the system is busy" in result.detail


def test_an_order_that_is_never_answered_is_judged_by_the_power(tmp_path: Path, certificates: Certificates) -> None:
    answer = saying([system(), system("Off")], None)
    result, bmc = struck(tmp_path, certificates, answer, connect_timeout="1500ms")
    assert (result.verdict, result.saw_on) == (Verdict.DONE, True)
    assert bmc.asked.count(ORDER) == 1
    result, _ = struck(tmp_path, certificates, saying([system()], None), "5s", "1500ms")
    assert result.verdict is Verdict.UNKNOWN
    assert "it still says On; the order: " in result.detail


def test_a_system_that_is_off_gets_no_order_and_is_not_said_to_have_been_on(
    tmp_path: Path, certificates: Certificates
) -> None:
    result, bmc = struck(tmp_path, certificates, saying([system("Off")]))
    assert (result.verdict, result.saw_on) == (Verdict.DONE, False)
    assert "before anything was ordered, so nothing was" in result.detail
    assert bmc.asked == [f"GET {SYSTEM}"] * 3


def test_off_must_be_said_twice_in_a_row_each_time_over_a_fresh_connection(
    tmp_path: Path, certificates: Certificates
) -> None:
    states = [system(), system("Off"), system(), system("Off"), reply(500), system("Off"), system("Off")]
    result, bmc = struck(tmp_path, certificates, saying(states))
    assert result.verdict is Verdict.DONE
    assert len(bmc.asked) == len(states) + 1
    assert bmc.connections == len(states)


@pytest.mark.parametrize("power", ["off", " Off", "Paused"])
def test_nothing_but_off_is_off(tmp_path: Path, certificates: Certificates, power: str) -> None:
    result, _ = struck(tmp_path, certificates, saying([system(), system(power)]), "600ms")
    assert result.verdict is Verdict.UNKNOWN


def test_the_answer_must_be_the_right_systems_every_time(tmp_path: Path, certificates: Certificates) -> None:
    other = system("Off", **{"@odata.id": f"{SYSTEM}0"})
    result, _ = struck(tmp_path, certificates, saying([system(), other]), "3s")
    assert result.verdict is Verdict.UNKNOWN
    assert f"the BMC answers for {SYSTEM}0" in result.detail


def test_the_ca_is_read_once_for_a_strike(tmp_path: Path, certificates: Certificates) -> None:
    ca = tmp_path / "ca.pem"
    shutil.copy(certificates.ca, ca)
    states = saying([system(), system(), system("Off")])

    def answer(method: str, path: str) -> bytes | None:
        ca.unlink(missing_ok=True)
        return states(method, path)

    assert told(settings_of(tmp_path, ca), certificates.good, answer, fence)[0].verdict is Verdict.DONE


def test_power_is_given_back_in_the_way_that_the_bmc_allows(tmp_path: Path, certificates: Certificates) -> None:
    states = [system("Off", allowed=["ForceOff", "ForceOn"]), system("On")]
    settings = settings_of(tmp_path, certificates.ca)
    result, bmc = told(settings, certificates.good, saying(states), lambda method: method.restore(strike()))
    assert result.verdict is Verdict.DONE
    assert f'POST {RESET} {{"ResetType":"ForceOn"}}' in bmc.asked


def test_power_that_does_not_come_back_is_not_known(tmp_path: Path, certificates: Certificates) -> None:
    settings = settings_of(tmp_path, certificates.ca, timeout="3s")
    result, _ = told(settings, certificates.good, saying([system("Off")]), lambda method: method.restore(strike()))
    assert (result.verdict, result.detail) == (Verdict.UNKNOWN, "not on within 3s: it still says Off")


# --- cancelled


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (lambda *_: None, 1),
        (saying([system()], None), 2),
        (saying([system()]), 3),
    ],
    ids=["while it asks", "while it orders", "while it waits"],
)
def test_a_strike_that_is_cancelled_leaves_no_task_and_no_connection(
    tmp_path: Path, certificates: Certificates, answer: Callable[[str, str], bytes | None], asked: int
) -> None:
    async def story() -> None:
        async with ScriptedBmc(certificates.good, answer) as bmc:
            before = asyncio.all_tasks()
            method = fence_of(settings_of(tmp_path, certificates.ca), bmc.address, SYSTEM)
            task = asyncio.create_task(fence(method))
            await eventually_async(lambda: len(bmc.asked) >= asked, 5, "it is at it")
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            await eventually_async(lambda: bmc.open == 0, 5, "its connections are closed")
            assert asyncio.all_tasks() == before
            ours = [
                each for each in psutil.Process().net_connections("tcp") if each.raddr and each.raddr[1] == bmc.port
            ]
            assert ours == []

    asyncio.run(story())
