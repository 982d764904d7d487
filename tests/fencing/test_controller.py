"""`kind: controller`: only a signed `done` of the very node that was asked counts (S7); silence is unknown (S5)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from config.models.fencing import FENCER_KINDS, CommandMethodSettings, ControllerMethodSettings
from failover.core.values import Node, Verdict
from failover.ports.service import FenceMethod, Result
from failover.support.launcher import Launcher
from fencing import FENCERS, FenceContext
from fencing.controller import ControllerFence
from fencing.peer import PATH, Demand, PeerAnswer, PeerAuth
from tests.fencing.strikes import TARGET, strike
from tests.servers.ports import free_port
from tests.support.hooks import with_launcher
from tests.support.serving import Serve, serving, swallowing

SECRET = b"a secret of the peers"
Answer = Callable[[Demand], bytes]


def signed(verdict: Verdict, **changes: object) -> Answer:
    """An answer as the peer gives it, but for `changes`."""

    def answer(demand: Demand) -> bytes:
        given = PeerAnswer(demand.service, demand.target, demand.epoch, verdict, "says db2")
        return PeerAuth(SECRET).sign_answer(demand, replace(given, **changes))  # type: ignore[arg-type]

    return answer


def answered(answer: Answer, status: str = "200 OK", timeout_s: float = 5.0) -> Result:
    """What comes of a peer that reads the demand and answers so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith(f"POST {PATH} HTTP/1.1\r\n")
        length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        body = answer(PeerAuth(SECRET).verify_demand(await reader.readexactly(length)))
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    return served(serve, timeout_s)


def served(serve: Serve, timeout_s: float = 5.0) -> Result:
    async def story() -> Result:
        async with serving(serve) as port:
            fence = ControllerFence("ask", timeout_s, PeerAuth(SECRET))
            return await fence.fence(strike(address=f"127.0.0.1:{port}"))

    return asyncio.run(story())


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_signed_answer_is_the_verdict(verdict: Verdict) -> None:
    assert answered(signed(verdict)) == Result(verdict, f"its controller answered {verdict}: says db2")


@pytest.mark.parametrize(
    "changes",
    [
        {"node": Node("db3", TARGET.machine_id)},
        {"node": Node(TARGET.name, "machine-of-a-clone")},
        {"epoch": 41},
        {"epoch": 43},
        {"service": "other-db"},
    ],
)
def test_done_by_another_than_was_asked_is_unknown(changes: dict[str, object]) -> None:
    result = answered(signed(Verdict.DONE, **changes))
    assert result.verdict is Verdict.UNKNOWN
    assert "by another than was asked" in result.detail


def test_a_refusal_by_another_identity_is_a_refusal() -> None:
    assert answered(signed(Verdict.NOT_DONE, node=Node("db2", "a-clone"))).verdict is Verdict.NOT_DONE


def test_an_answer_signed_with_another_secret_is_unknown() -> None:
    def answer(demand: Demand) -> bytes:
        given = PeerAnswer(demand.service, demand.target, demand.epoch, Verdict.DONE)
        return PeerAuth(b"the secret of somebody else").sign_answer(demand, given)

    result = answered(answer)
    assert result.verdict is Verdict.UNKNOWN
    assert "its signature is wrong" in result.detail


def test_an_answer_to_an_older_demand_is_unknown() -> None:
    def answer(demand: Demand) -> bytes:
        return signed(Verdict.DONE)(replace(demand, nonce="the nonce of another demand"))

    assert answered(answer).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "500 Internal Server Error"])
def test_an_error_without_a_signature_is_unknown_even_if_it_says_not_done(status: str) -> None:
    result = answered(lambda _: b'{"verdict": "not_done"}', status)
    assert result.verdict is Verdict.UNKNOWN
    assert status[:3] in result.detail


def test_a_peer_that_is_not_there_is_unknown() -> None:
    fence = ControllerFence("ask", 5.0, PeerAuth(SECRET))
    result = asyncio.run(fence.fence(strike(address=f"127.0.0.1:{free_port()}")))
    assert result.verdict is Verdict.UNKNOWN
    assert "Connection refused" in result.detail


def test_a_peer_that_is_silent_is_unknown_at_the_deadline() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    result = served(serve, timeout_s=0.2)
    assert result.verdict is Verdict.UNKNOWN
    assert "did not answer in 0.2 s" in result.detail


def test_a_host_that_is_gone_is_unknown_after_the_time_for_connecting() -> None:
    with swallowing() as port:
        fence = ControllerFence("ask", 20.0, PeerAuth(SECRET), connect_timeout_s=0.2)
        result = asyncio.run(fence.fence(strike(address=f"127.0.0.1:{port}")))
    assert result == Result(Verdict.UNKNOWN, f"no connection to 127.0.0.1:{port}: nothing answered in 0.2 s")


def test_a_peer_that_hangs_up_is_unknown() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    assert served(serve).verdict is Verdict.UNKNOWN


def test_a_peer_that_floods_is_unknown() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10_000_000)

    assert served(serve).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("address", ["", "db2", "db2:port", "http://db2/", ":", "[::1", "a b:80"])
def test_an_address_that_is_none_is_unknown(address: str) -> None:
    fence = ControllerFence("ask", 1.0, PeerAuth(SECRET))
    assert asyncio.run(fence.fence(strike(address=address))).verdict is Verdict.UNKNOWN


def test_every_kind_that_can_be_configured_can_be_built() -> None:
    assert set(FENCERS) == set(FENCER_KINDS)


def test_fence_methods_are_built_as_they_are_configured(tmp_path: Path) -> None:
    command = CommandMethodSettings.model_validate({"kind": "command", "run": ["/bin/echo", "{node.bmc}"]})
    ask = ControllerMethodSettings.model_validate({"kind": "controller", "timeout": "2s"})

    async def story(launcher: Launcher) -> tuple[Result, FenceMethod]:
        context = FenceContext(launcher, {"db2": {"bmc": "10.0.9.12"}}, PeerAuth(SECRET))
        hook = FENCERS["command"]("hook", command, context)
        return await hook.fence(strike()), FENCERS["controller"]("ask", ask, context)

    result, method = with_launcher(tmp_path, story)
    assert result.detail == "exit 0: 10.0.9.12"
    assert (method.name, method.timeout_s) == ("ask", 2.0)


def test_asking_a_controller_needs_the_peers_secret(tmp_path: Path) -> None:
    ask = ControllerMethodSettings.model_validate({"kind": "controller"})

    async def story(launcher: Launcher) -> None:
        FENCERS["controller"]("ask", ask, FenceContext(launcher))

    with pytest.raises(ValueError, match=r"fencing\.methods\.ask: kind controller needs api\.peer_secret"):
        with_launcher(tmp_path, story)
