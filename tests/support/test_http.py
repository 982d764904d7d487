"""The tiny HTTP client against servers that behave, and servers that do not."""

import asyncio
import threading

import pytest

from failover.support.http import HttpAnswer, HttpError, request
from tests.servers.ports import free_port
from tests.support.serving import Serve, serving, swallowing


async def asked(serve: Serve, *, method: str = "GET", body: bytes = b"", body_limit: int = 65536) -> HttpAnswer:
    """One request to a server of its own."""
    async with serving(serve) as port, asyncio.timeout(5.0):
        return await request(method, f"http://127.0.0.1:{port}/x?y=1", body=body, body_limit=body_limit)


def answering(answer: bytes) -> Serve:
    """A server that reads the head and says this."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return serve


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello", 200, b"he"),
        (b"HTTP/1.0 503 Busy\r\n\r\nuntil the end", 503, b"until the end"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", 200, b"abcde"),
    ],
)
def test_an_answer_is_read_however_its_length_is_given(answer: bytes, status: int, body: bytes) -> None:
    assert asyncio.run(asked(answering(answer))) == HttpAnswer(status, body)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 100_000,
        b"\x16\x03\x01" * 10,
    ],
)
def test_what_is_no_http_is_an_error_in_words(answer: bytes) -> None:
    with pytest.raises(HttpError):
        asyncio.run(asked(answering(answer)))


def test_a_body_is_cut_at_its_limit() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\nabcde\r\n" * 1000
    assert asyncio.run(asked(answering(answer), body_limit=8)).body == b"abcdeabc"


def test_an_endless_body_is_not_waited_for() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    assert len(asyncio.run(asked(serve, body_limit=100_000)).body) == 100_000


def test_a_body_is_sent_with_its_length() -> None:
    seen = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen = await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    asyncio.run(asked(serve, method="POST", body=b"hello"))
    assert seen.startswith(b"POST /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Content-Length: 5\r\n" in seen
    assert seen.endswith(b"\r\n\r\nhello")


def test_a_refused_connection_is_said_in_words() -> None:
    port = free_port()
    with pytest.raises(HttpError, match=f"no connection to 127.0.0.1:{port}"):
        asyncio.run(request("GET", f"http://127.0.0.1:{port}/"))


def test_a_deadline_is_the_callers() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def story() -> None:
        async with asyncio.timeout(0.1):
            await asked(serve)

    with pytest.raises(TimeoutError):
        asyncio.run(story())


def test_a_host_that_takes_no_connection_is_given_up_after_the_time_for_connecting() -> None:
    async def story(port: int) -> None:
        async with asyncio.timeout(20.0):
            await request("GET", f"http://127.0.0.1:{port}/", connect_timeout_s=0.2)

    with (
        swallowing() as port,
        pytest.raises(HttpError, match=f"no connection to 127.0.0.1:{port}: nothing answered in"),
    ):
        asyncio.run(story(port))


def test_an_address_that_is_a_number_takes_no_thread() -> None:
    async def story() -> int:
        async with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as port:
            before = threading.active_count()
            await request("GET", f"http://127.0.0.1:{port}/")
            return threading.active_count() - before

    assert asyncio.run(story()) == 0


def test_the_time_for_connecting_is_not_that_of_the_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.3)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def story() -> HttpAnswer:
        async with serving(serve) as port, asyncio.timeout(5.0):
            return await request("GET", f"http://127.0.0.1:{port}/", connect_timeout_s=0.2)

    assert asyncio.run(story()).status == 200
