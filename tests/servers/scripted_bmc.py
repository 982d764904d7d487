"""A BMC that answers as a test wants, over TLS, in the test's own loop: for what no emulator can be made to say."""

import asyncio
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.servers.ports import LOOPBACK

SYSTEM = "/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
Answer = Callable[[str, str], bytes | None]


def reply(status: int, body: bytes | str = b"", **headers: str) -> bytes:
    """One HTTP answer. `headers`: `Location="…"`."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(content)}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


def system(power: object = "On", allowed: list[str] | None = None, **more: Any) -> bytes:
    """How a BMC tells of the system. `more` replaces members; None leaves one out."""
    values = {} if allowed is None else {"ResetType@Redfish.AllowableValues": allowed}
    actions = {"#ComputerSystem.Reset": {"target": RESET, **values}}
    told = {"@odata.id": SYSTEM, "Id": "1", "PowerState": power, "Actions": actions, **more}
    return reply(200, json.dumps({name: value for name, value in told.items() if value is not None}))


class ScriptedBmc:
    """`answer`: method and path to the bytes that go out; None: nothing, and the connection stays open."""

    def __init__(self, cert: tuple[Path, Path] | None, answer: Answer) -> None:
        self.asked: list[str] = []
        self.connections = 0
        self.open = 0
        self._answer = answer
        self._trust: ssl.SSLContext | None = None
        if cert is not None:
            self._trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._trust.load_cert_chain(*cert)

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0, ssl=self._trust)
        self.port = self._server.sockets[0].getsockname()[1]
        self.address = f"{LOOPBACK}:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.transport.abort()
            self._tasks.discard(task)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        length = next((int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:")), 0)
        body = (await reader.readexactly(length)).decode()
        self.asked.append(f"{method} {path} {body}".strip())
        said = self._answer(method, path)
        if said is None:
            return bool(await reader.read())  # until the other side leaves
        writer.write(said)
        await writer.drain()
        return said.startswith(b"HTTP/1.1 ")
