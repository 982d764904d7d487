"""A tiny HTTP/1.1 client over asyncio: one request, one bounded answer, the connection closed.

Enough for a health probe and for a peer's answer, without a library's memory. No redirects, no proxies, no cookies.
Deadlines are the caller's (`asyncio.timeout`), but for that of connecting.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from failover.support.reasons import reason_of
from failover.support.tls import why_no_tls

LONGEST_HEAD = 32 * 1024
LARGEST_BODY = 64 * 1024

_Address = tuple[int, Any]


class HttpError(Exception):
    """There was no answer, or none that is HTTP. The message says which, in words for an operator."""


class NoTlsError(HttpError):
    """Who answers there does not speak TLS, or not ours. A certificate that is not accepted is not meant."""


class BrokenOffError(HttpError):
    """The connection was made, and ended without a whole answer."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`body` is cut at the limit that was asked for."""

    status: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class _Target:
    host: str
    port: int
    path: str
    header: str


async def request(
    method: str,
    url: str,
    *,
    body: bytes = b"",
    content_type: str = "application/json",
    tls: ssl.SSLContext | None = None,
    body_limit: int = LARGEST_BODY,
    connect_timeout_s: float | None = None,
) -> HttpAnswer:
    """Ask once. `tls` is needed for an https URL. Raises HttpError; ValueError for a URL without a host.

    `connect_timeout_s`: how long finding the address and connecting may take; the TLS handshake is not in it, since
    whoever has taken the connection is there, if busy.
    """
    target = _target(url)
    connection = await _connected(target, connect_timeout_s)
    name = target.host if tls is not None else None
    try:
        reader, writer = await asyncio.open_connection(
            sock=connection, ssl=tls, server_hostname=name, limit=LONGEST_HEAD
        )
    except ssl.SSLCertVerificationError as error:
        raise HttpError(f"TLS with {target.header} failed: {why_no_tls(error, presents=False)}") from None
    except ssl.SSLError as error:
        raise NoTlsError(f"TLS with {target.header} failed: {error.reason or error}") from None
    except OSError as error:
        raise HttpError(f"no connection to {target.header}: {reason_of(error)}") from None
    try:
        writer.write(_head(method, target, body, content_type) + body)
        await writer.drain()
        return await _answer(reader, body_limit)
    except OSError as error:
        raise BrokenOffError(f"{target.header} broke the connection off: {reason_of(error)}") from None
    except asyncio.IncompleteReadError:
        raise BrokenOffError(f"{target.header} broke the connection off in the middle of its answer") from None
    except (ValueError, asyncio.LimitOverrunError):
        raise HttpError(f"{target.header} did not answer in HTTP") from None
    finally:
        writer.transport.abort()  # nothing more is wanted, and a close could wait for a silent peer


async def _connected(target: _Target, timeout_s: float | None) -> socket.socket:
    """A connection to the first of the host's addresses that takes it."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _first_of(await _addresses(target))
    except TimeoutError as error:
        reason = reason_of(error) if error.errno else f"nothing answered in {timeout_s:g} s"
    except OSError as error:
        reason = reason_of(error)
    raise HttpError(f"no connection to {target.header}: {reason}")


async def _addresses(target: _Target) -> list[_Address]:
    try:  # a number needs no name server, and so no thread, nor a wait for one that is free
        found = socket.getaddrinfo(
            target.host, target.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
    except socket.gaierror:
        found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


async def _first_of(addresses: list[_Address]) -> socket.socket:
    refused = OSError("the name has no address")
    for family, address in addresses:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, address)
        except OSError as error:
            connection.close()
            refused = error
        except asyncio.CancelledError:
            connection.close()
            raise
        else:
            return connection
    raise refused


def _target(url: str) -> _Target:
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError(f"{url!r} names no host")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(parts.hostname, port, path, parts.netloc.rpartition("@")[2])


def _head(method: str, target: _Target, body: bytes, content_type: str) -> bytes:
    lines = [
        f"{method} {target.path} HTTP/1.1",
        f"Host: {target.header}",
        "User-Agent: failoverd",
        "Accept: */*",
        "Connection: close",
    ]
    if body:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode()


async def _answer(reader: asyncio.StreamReader, body_limit: int) -> HttpAnswer:
    """The first answer that is final. Raises ValueError and asyncio's read errors for what is not HTTP."""
    status = 100
    while 100 <= status < 200:  # "100 Continue" and the like precede the real one
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        version, code = lines[0].split(" ")[:2]
        if not version.startswith("HTTP/1.") or len(code) != 3:
            raise ValueError(lines[0])
        status = int(code)
    headers = dict(_header(line) for line in lines[1:] if line)
    if body_limit <= 0:
        return HttpAnswer(status)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return HttpAnswer(status, await _chunks(reader, body_limit))
    length = min(int(headers.get("content-length", body_limit)), body_limit)
    return HttpAnswer(status, await _read(reader, length, exactly="content-length" in headers))


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


async def _read(reader: asyncio.StreamReader, length: int, exactly: bool) -> bytes:
    try:
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        if exactly:
            raise
        return error.partial


async def _chunks(reader: asyncio.StreamReader, body_limit: int) -> bytes:
    body = b""
    while len(body) < body_limit:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        if size == 0:
            break
        body += await reader.readexactly(min(size, body_limit - len(body)))
        if len(body) < body_limit:
            await reader.readexactly(2)
    return body
