"""The server: where it listens, what it bounds, how it ends; and that no client can disturb the controller's loop."""

import asyncio
import contextlib
import logging
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from failover.api.access import Tokens
from failover.api.app import create_app
from failover.api.protocol import MOST_CONNECTIONS
from failover.api.server import ApiServer, ListenError
from tests.api.fakes import TOKENS, InMemoryController, ServedController
from tests.servers.wait import eventually

CHUNKED = b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def server(listen: str, unix: Path | None = None) -> ApiServer:
    return ApiServer(create_app(InMemoryController(), Tokens(TOKENS), None, 3.0), listen, unix)


def refused(listen: str, unix: Path | None = None) -> str:
    """The message with which `start` ends."""

    async def trial() -> None:
        one = server(listen, unix)
        try:
            await one.start()
        finally:
            await one.stop()

    with pytest.raises(ListenError) as told:
        asyncio.run(trial())
    return str(told.value)


@pytest.fixture
def connection(api: ServedController) -> Iterator[socket.socket]:
    with connected(api) as made:
        yield made


def connected(api: ServedController) -> socket.socket:
    host, port = api.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=15)


def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refused(f"127.0.0.1:{port}", tmp_path / "api.sock")
    assert str(port) in told
    assert "another program has the port" in told
    assert not (tmp_path / "api.sock").exists()


@pytest.mark.parametrize("listen", ["", "8300", ":8300", "localhost:", "127.0.0.1:99999", "127.0.0.1:http"])
def test_an_address_that_is_none_is_refused(listen: str) -> None:
    assert "host:port" in refused(listen)


def test_an_address_of_another_host_is_refused() -> None:
    assert "does not have the address" in refused("192.0.2.1:0")


def test_names_and_ipv6_can_be_listened_on() -> None:
    async def trial(listen: str) -> None:
        one = server(listen)
        await one.start()
        assert one.address is not None
        await one.stop()

    asyncio.run(trial("localhost:0"))
    if Path("/proc/net/if_inet6").read_text():
        asyncio.run(trial("[::1]:0"))


def test_the_socket_is_for_its_owner_only_and_gone_afterwards(tmp_path: Path) -> None:
    with ServedController(InMemoryController(), tmp_path) as api:
        mode = api.socket.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not api.socket.exists()


def test_a_dead_predecessors_socket_is_replaced_and_a_live_ones_is_not(tmp_path: Path) -> None:
    """S9."""
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with ServedController(InMemoryController(), tmp_path):
        assert "another controller answers" in refused("127.0.0.1:0", path)
        assert path.exists()
    path.write_text("not a socket")
    assert "not a socket" in refused("127.0.0.1:0", path)
    assert path.read_text() == "not a socket"


def test_a_socket_where_none_can_be_is_refused_in_words(tmp_path: Path) -> None:
    assert "state_dir" in refused("127.0.0.1:0", tmp_path / "missing" / "api.sock")
    assert "cannot make the socket" in refused("127.0.0.1:0", tmp_path / ("x" * 200))


def test_stopping_ends_open_streams_soon() -> None:
    async def trial() -> float:
        one = server("127.0.0.1:0")
        await one.start()
        assert one.address is not None
        reader, writer = await asyncio.open_connection(*one.address)
        writer.write(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"event: status")
        began = asyncio.get_running_loop().time()
        await one.stop()
        took = asyncio.get_running_loop().time() - began
        assert (await reader.read())[-1:] == b"" or True
        writer.close()
        return took

    took_s = (asyncio.run(trial()) for _ in range(4))  # one that is busy elsewhere says nothing
    assert any(one < 1.5 for one in took_s), "a stream that is left open holds it up for 2 s each time"


def test_the_server_leaves_signals_alone() -> None:
    import signal

    async def trial() -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        one = server("127.0.0.1:0")
        await one.start()
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
        await one.stop()

    asyncio.run(trial())


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /active HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        CHUNKED + b"zz\r\n",
        b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"
        + b"x" * 70_000
        + b"\r\nzz",
        b"GET /active HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nzz\r\n",
        b"GET /active HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET /%zz%ff%00?%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /active HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET /active HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_whatever_a_client_sends_the_loop_hears_nothing_of_it(tmp_path: Path, sent: bytes) -> None:
    """S10: an exception that reaches the loop counts as a fault of the controller, which then ends itself."""
    heard: list[dict[str, Any]] = []
    with ServedController(InMemoryController(), tmp_path) as api:
        api.loop.call_soon_threadsafe(api.loop.set_exception_handler, lambda _, context: heard.append(context))
        for cut in (len(sent), len(sent) // 2):
            with connected(api) as connection:
                connection.sendall(sent[:cut])
                connection.shutdown(socket.SHUT_WR)
                _read_to_the_end(connection)
        with connected(api) as connection:  # ends it with a reset in the middle
            connection.sendall(sent)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert httpx.get(api.url + "/active", trust_env=False).status_code == 200
    assert heard == []


def _read_to_the_end(connection: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            answer += part
    return answer


def test_a_client_that_breaks_the_protocol_after_its_answer_is_cut_off(tmp_path: Path) -> None:
    """uvicorn raises out of `data_received` there (S10)."""
    heard: list[dict[str, Any]] = []
    with ServedController(InMemoryController(), tmp_path) as api:
        api.loop.call_soon_threadsafe(api.loop.set_exception_handler, lambda _, context: heard.append(context))
        with connected(api) as connection:
            connection.sendall(b"GET /active HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.sendall(b"zz\r\n")
            _read_to_the_end(connection)
    assert heard == []


def test_more_connections_than_the_limit_are_ended_and_the_local_socket_still_answers(api: ServedController) -> None:
    """Running out of file descriptors would stop the controller."""
    opened = [connected(api) for _ in range(MOST_CONNECTIONS)]
    try:
        with connected(api) as one_more, httpx.Client(transport=httpx.HTTPTransport(uds=str(api.socket))) as local:
            with contextlib.suppress(ConnectionError):
                one_more.sendall(b"GET /active HTTP/1.1\r\nHost: x\r\n\r\n")
            assert _read_to_the_end(one_more) == b""
            assert local.get("http://local/active").status_code == 200
    finally:
        for connection in opened:
            connection.close()
    eventually(lambda: _answers(api), 5.0, "there is room again")


def _answers(api: ServedController) -> bool:
    try:
        return httpx.get(api.url + "/active", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_the_local_socket_is_closed_to_other_users(api: ServedController) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            with socket.socket(socket.AF_UNIX) as trial:
                trial.connect(str(api.socket))
            os._exit(1)
        except PermissionError:
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_tokens_appear_in_no_log_and_no_dump(api: ServedController, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": "Bearer t-admin"}
    httpx.post(api.url + "/v1/pause", json={"reason": "x"}, headers=headers, trust_env=False)
    assert "order by root: pause: x" in caplog.text
    assert "t-admin" not in caplog.text
    assert b"t-admin" not in repr(vars(Tokens(TOKENS))).encode()
