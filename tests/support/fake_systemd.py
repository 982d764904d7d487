"""A private D-Bus with a tiny systemd on it, for what the real one will not do on demand: go away, lie, be late.

It knows units, jobs and signals; nothing is started. The real thing is tested in the lab.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from failover.support.systemd_bus import SystemdBus
from tests.servers.guardian import scratch_folder
from tests.servers.process import ServerProcess
from tests.servers.wait import eventually

T = TypeVar("T")

NAME = "org.freedesktop.systemd1"
ROOT = "/org/freedesktop/systemd1"
UNIT = "orders-db.service"
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""
LONGEST_STORY_S = 30.0
_AFTER = {"Start": ("active", "running"), "Restart": ("active", "running"), "Reload": ("active", "running")}


class Bus:
    """One dbus-daemon on a socket of its own."""

    def __init__(self) -> None:
        if not shutil.which("dbus-daemon"):
            pytest.skip("no dbus-daemon (Debian: dbus-daemon); scripts/install-test-needs installs it")
        self.folder = scratch_folder("bus")
        self.socket = self.folder / "socket"
        self.address = f"unix:path={self.socket}"
        (self.folder / "config").write_text(_CONFIG.format(socket=self.socket), "utf-8")
        self._process = ServerProcess(
            ["dbus-daemon", "--nofork", "--nopidfile", f"--config-file={self.folder / 'config'}"],
            self.folder / "output",
        )

    def start(self) -> None:
        self._process.start()
        eventually(self._listens, 5, f"dbus-daemon listens: {self._process.last_output()}")

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as trial:
            return trial.connect_ex(str(self.socket)) == 0

    def kill(self) -> None:
        self._process.kill()
        self.socket.unlink(missing_ok=True)

    def freeze(self) -> None:
        self._process.pause()

    def thaw(self) -> None:
        self._process.resume()

    def destroy(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Unit:
    """What a fake unit says of itself. `result`: how its next job ends; None: it does not."""

    load: str = "loaded"
    active: str = "inactive"
    sub: str = "dead"
    job: str = ""
    group: str = ""
    result: str | None = "done"
    after: dict[str, tuple[str, str]] = field(default_factory=dict)


class FakeSystemd:
    """A manager with some units. `jobs`: what was asked of it. `early`: a job is over before its name is told."""

    def __init__(self, **units: Unit) -> None:
        self.units = {UNIT: Unit(), **{f"{name.replace('_', '-')}.service": unit for name, unit in units.items()}}
        self.jobs: list[str] = []
        self.refuse: dict[str, str] = {}
        self.forbidden: set[str] = set()
        self.begins = ""  # a job that somebody else is quick to queue, as soon as a unit has been looked at
        self.early = False
        self.subscribed = 0
        self._bus: MessageBus | None = None

    @property
    def unit(self) -> Unit:
        """orders-db.service."""
        return self.units[UNIT]

    async def appear(self, address: str) -> None:
        """Take systemd's name on that bus."""
        self._bus = await MessageBus(address).connect()
        self._bus.add_message_handler(self._answer)
        await self._bus.request_name(NAME)

    def leave(self) -> None:
        if self._bus is not None and self._bus.connected:
            self._bus.disconnect()

    def change(self, active: str, sub: str, name: str = UNIT) -> None:
        """A unit changes its state, and a signal says so."""
        self.units[name].active, self.units[name].sub = active, sub
        changed = {"ActiveState": Variant("s", active), "SubState": Variant("s", sub)}
        body = [f"{NAME}.Unit", changed, []]
        self._signal(path_of(name), "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", body)

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        assert self._bus is not None
        self._bus.send(Message.new_signal(path, interface, member, signature, body))

    def _answer(self, message: Message) -> Message | None:
        if message.message_type is not MessageType.METHOD_CALL or not message.member:
            return None
        if message.member in self.refuse:
            return Message.new_error(message, f"{NAME}.NoSuchUnit", self.refuse[message.member])
        if message.member in self.forbidden:
            error = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
            return Message.new_error(message, error, "Interactive authentication required.")
        if message.member == "ListUnitsByNames":
            rows = [self._row(name) for name in message.body[0]]
            self.unit.job = self.begins or self.unit.job
            return Message.new_method_return(message, "a(ssssssouso)", [rows])
        if message.member == "Get":
            return Message.new_method_return(message, "v", [self._property(message)])
        if message.member.endswith("Unit"):
            return self._job(message, message.member.removesuffix("Unit"), message.body[0])
        if message.member != "Subscribe":
            return None
        self.subscribed += 1
        return Message.new_method_return(message)

    def _row(self, name: str) -> list[Any]:
        unit = self.units.get(name, Unit(load="not-found"))
        return [name, name, unit.load, unit.active, unit.sub, "", path_of(name), 0, unit.job, "/"]

    def _property(self, message: Message) -> Variant:
        name = message.body[1]
        unit = next((unit for key, unit in self.units.items() if path_of(key) == message.path), Unit())
        result = "success" if unit.active != "failed" else "exit-code"
        values = {"ControlGroup": unit.group, "Slice": "system.slice", "Result": result}
        return Variant("s", values[name])

    def _job(self, message: Message, verb: str, name: str) -> Message | None:
        if self.units[name].job and message.body[1] == "fail":
            return Message.new_error(message, f"{NAME}.TransactionIsDestructive", "Transaction is destructive")
        self.jobs.append(f"{verb.lower()} {name}")
        job = f"{ROOT}/job/{len(self.jobs)}"
        answer = Message.new_method_return(message, "o", [job])
        unit = self.units[name]
        if unit.result is None:
            return answer
        if not self.early:
            assert self._bus is not None
            self._bus.send(answer)
        if unit.result == "done":
            self.change(*unit.after.get(verb, _AFTER.get(verb, ("inactive", "dead"))), name)
        self._signal(ROOT, f"{NAME}.Manager", "JobRemoved", "uoss", [len(self.jobs), job, name, unit.result])
        return answer if self.early else True  # type: ignore[return-value]  # answered already


def path_of(name: str) -> str:
    """A unit's object."""
    return f"{ROOT}/unit/{''.join(letter if letter.isalnum() else f'_{ord(letter):02x}' for letter in name)}"


def with_systemd(
    story: Callable[[FakeSystemd, SystemdBus, Bus], Awaitable[T]], systemd: FakeSystemd | None = None
) -> T:
    """Run `story` with a fake systemd on a bus of its own, in a loop of its own."""
    daemon = Bus()

    async def told() -> T:
        fake = systemd or FakeSystemd()
        daemon.start()
        bus = SystemdBus(daemon.address)
        try:
            async with asyncio.timeout(LONGEST_STORY_S):
                await fake.appear(daemon.address)
                return await story(fake, bus, daemon)
        finally:
            bus.close()
            fake.leave()
            await asyncio.sleep(0)

    try:
        return asyncio.run(told())
    finally:
        daemon.destroy()


def no_processes(group: str) -> list[int]:
    """What is in every control group of the fake."""
    return []


def socket_of(folder: Path) -> str:
    """An address where nobody listens."""
    return f"unix:path={folder / 'nobody'}"
