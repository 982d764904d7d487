"""systemd over D-Bus: how a unit stands, word of its changes at once, and jobs whose result is waited for.

One connection, shared, made at the first call and again after a loss. Every call has a deadline. Knows nothing of
what a unit is to the service, and holds no verdicts: it answers, or raises one of two errors, so that definite and
indefinite failures stay apart. Source: org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from failover.support.reasons import reason_of

if TYPE_CHECKING:
    from dbus_fast.aio import MessageBus
    from dbus_fast.message import Message

log = logging.getLogger("failoverd")

SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
CALL_S = 2.0
PAUSE_S = 0.5
"""Between a connection that failed and the next try."""
AGAIN_S = 0.05
MOST_EARLY = 64
"""Results of jobs kept while the answer that names the job is still on its way."""

_SYSTEMD = "org.freedesktop.systemd1"
_MANAGER = "org.freedesktop.systemd1.Manager"
_UNIT = "org.freedesktop.systemd1.Unit"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_BUS = "org.freedesktop.DBus"
_BUS_PATH = "/org/freedesktop/DBus"
ROOT_OBJECT = "/org/freedesktop/systemd1"
_RULES = (
    f"type='signal',sender='{_SYSTEMD}',path='{ROOT_OBJECT}',interface='{_MANAGER}',member='JobRemoved'",
    f"type='signal',sender='{_BUS}',interface='{_BUS}',member='NameOwnerChanged',arg0='{_SYSTEMD}'",
)


class BusLostError(Exception):
    """Nobody answered: what was asked for may have happened, or not. The text says why."""


class RefusedError(Exception):
    """systemd said no: what was asked for has not happened. The text is its own."""


class ForbiddenError(RefusedError):
    """The controller's user has no right to it (polkit). The text says what to do."""


@dataclass(frozen=True, slots=True)
class UnitState:
    """How a unit stands, in systemd's own words. `job`: the type of the job that is queued for it, or "".

    `path` is the unit's object on the bus.
    """

    name: str
    load: str
    active: str
    sub: str
    job: str = ""
    path: str = ""

    @property
    def down(self) -> bool:
        """It has ended, or was never started."""
        return self.active in ("inactive", "failed")

    @property
    def words(self) -> str:
        """`active (running)`, as systemctl prints it."""
        return f"{self.active} ({self.sub})"


Changed = Callable[[str, str], None]
"""Hears ActiveState and SubState."""


class SystemdBus:
    """All on one event loop. `address`: another bus than the system's, for tests."""

    def __init__(self, address: str = SYSTEM_BUS) -> None:
        import dbus_fast.aio  # now, at start, and only where a unit is named: it takes 4 MB

        self._library = dbus_fast
        self._address = address
        self._bus: MessageBus | None = None
        self._owner = ""
        self._connecting = asyncio.Lock()
        self._failed_at: float | None = None
        self._why = ""
        self._heard: dict[str, list[Changed]] = {}
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._early: dict[str, str] = {}
        self._enqueuing = 0
        self._watching: asyncio.Future[None] | None = None
        self._subscribing: asyncio.Future[None] | None = None
        self._lost = False

    # --- asking ---------------------------------------------------------------------------------

    async def state(self, unit: str, within_s: float = CALL_S) -> UnitState:
        """How it stands; a unit that is not there has load `not-found`. Raises BusLostError, RefusedError."""
        body = await self._ask(within_s, "ListUnitsByNames", "as", [[unit]])
        if len(body) != 1 or not body[0]:
            raise RefusedError(f"systemd has no answer about {unit}")
        name, _, load, active, sub, _, path, _, job, _ = body[0][0]
        return UnitState(name, load, active, sub, job, path)

    async def read(self, path: str, interface: str, name: str, within_s: float = CALL_S) -> Any:
        """A property of an object; interfaces are named without their prefix (`Unit`, `Service`)."""
        arguments = [f"{_SYSTEMD}.{interface}", name]
        body = await self._ask(within_s, "Get", "ss", arguments, path=path, interface=_PROPERTIES)
        return body[0].value

    # --- jobs -----------------------------------------------------------------------------------

    async def run_job(self, verb: str, unit: str, within_s: float, mode: str = "replace") -> str:
        """Enqueue `Start`, `Stop`, `Restart` or `Reload`, and wait for the job's result: `done`, `failed`, ….

        `mode`: what becomes of a job that is queued for it already; `fail`: it stays, and ours is refused.
        Raises RefusedError where systemd took no job, BusLostError where it is not known what became of it.
        """
        until = asyncio.get_running_loop().time() + within_s
        self._enqueuing += 1
        try:
            body = await self._ask(within_s, f"{verb}Unit", "ss", [unit, mode], again=False)
            ended = self._await_result(str(body[0]))
        finally:
            self._enqueuing -= 1
            if not self._enqueuing:
                self._early.clear()
        try:
            async with asyncio.timeout_at(until):
                return await ended
        except TimeoutError:
            raise BusLostError(f"the job was not over after {within_s:.3g} s") from None
        finally:
            self._waiting.pop(str(body[0]), None)

    def _await_result(self, job: str) -> asyncio.Future[str]:
        """A short job may be over before we are told its name."""
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if job in self._early:
            ended.set_result(self._early[job])
        else:
            self._waiting[job] = ended
        return ended

    # --- hearing --------------------------------------------------------------------------------

    async def subscribe(self, path: str, changed: Changed, within_s: float = CALL_S) -> None:
        """Have `changed` called whenever the unit at `path` changes its state. Lost with the connection: see `hears`.

        Raises BusLostError, RefusedError.
        """
        if path not in self._heard:
            await self._ask(within_s, "AddMatch", "s", [_rule_for(path)], to=_BUS)
        listeners = self._heard.setdefault(path, [])
        if changed not in listeners:
            listeners.append(changed)

    def hears(self, path: str, changed: Changed) -> bool:
        """Whether the subscription stands."""
        return self.connected and changed in self._heard.get(path, ())

    def unsubscribe(self, path: str, changed: Changed) -> None:
        """Call it no more. The bus keeps telling us, at no cost worth a message."""
        if changed in self._heard.get(path, ()):
            self._heard[path].remove(changed)

    # --- the connection -------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as we know."""
        return self._bus is not None and self._bus.connected

    def close(self) -> None:
        """Hang up. The next call connects again."""
        self._drop("the connection to D-Bus was closed")

    def _drop(self, why: str) -> None:
        """Without the connection nobody will tell how its jobs ended, nor what changes."""
        bus, self._bus = self._bus, None
        self._heard.clear()
        for ended in self._waiting.values():
            if not ended.done():
                ended.set_exception(BusLostError(why))
        if bus is not None and bus.connected:
            bus.disconnect()

    async def _ask(
        self,
        within_s: float,
        member: str,
        signature: str = "",
        body: list[Any] | None = None,
        path: str = ROOT_OBJECT,
        interface: str = _MANAGER,
        to: str = _SYSTEMD,
        again: bool = True,
    ) -> list[Any]:
        """What only asks is asked again after a loss, as long as there is time: systemd may just be re-executed."""
        if to == _BUS:
            path, interface = _BUS_PATH, _BUS
        why = ""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    bus = await self._connection()
                    try:
                        return await self._call(bus, self._message(to, path, interface, member, signature, body or []))
                    except BusLostError as error:
                        if not again:
                            raise
                        why = str(error)
                    await asyncio.sleep(AGAIN_S)
        except TimeoutError:
            raise BusLostError(self._why or why or f"no answer from systemd to {member} in {within_s:.3g} s") from None

    def _message(self, to: str, path: str, interface: str, member: str, signature: str, body: list[Any]) -> Message:
        return self._library.Message(to, path, interface, member, signature=signature, body=body)

    async def _call(self, bus: MessageBus, message: Message) -> list[Any]:
        errors = self._library.errors
        try:
            answer = await bus.call(message)
        except (OSError, EOFError, errors.DBusFastError, ValueError) as error:  # ValueError: a closed descriptor
            raise BusLostError(f"the connection to D-Bus was lost: {_words(error)}") from None
        if answer is None:  # the library's answer to a call that was cut off by a hang-up
            raise BusLostError("the connection to D-Bus was lost")
        if answer.message_type is self._library.MessageType.ERROR:
            raise _error_of(answer)
        return list(answer.body)

    async def _connection(self) -> MessageBus:
        """The connection, made if need be. While there is none, the callers wait, each to its own deadline."""
        async with self._connecting:
            while self._bus is None or not self._bus.connected:
                self._drop("the connection to D-Bus was lost")
                await self._pause()
                try:
                    self._bus = await self._connect()
                except BusLostError as error:
                    self._failed_at = asyncio.get_running_loop().time()
                    self._why = str(error)
            self._why = ""
            return self._bus

    async def _pause(self) -> None:
        if self._failed_at is not None:
            passed_s = asyncio.get_running_loop().time() - self._failed_at
            await asyncio.sleep(max(0.0, PAUSE_S - passed_s))

    async def _connect(self) -> MessageBus:
        """Connect, and ask to be told of jobs and changes. Subscriptions of before went with their connection."""
        bus = self._library.aio.MessageBus(self._address, auth_timeout=CALL_S)
        kept = False
        try:
            async with asyncio.timeout(CALL_S):
                await bus.connect()
                bus.add_message_handler(self._hear)
                await self._introduce(bus)
            kept = True
        except TimeoutError:
            raise BusLostError(f"D-Bus does not answer in {CALL_S:g} s") from None
        except (OSError, EOFError, self._library.errors.DBusFastError) as error:
            raise BusLostError(f"no connection to D-Bus at {self._address}: {_words(error)}") from None
        except RefusedError as error:
            raise BusLostError(str(error)) from None
        finally:
            if not kept and bus.connected:
                bus.disconnect()
        self._watching = asyncio.ensure_future(self._watch(bus))
        if self._lost:
            self._lost = False
            log.info("D-Bus is back")
        return bus

    async def _introduce(self, bus: MessageBus) -> None:
        def to_bus(member: str, argument: str) -> Message:
            return self._message(_BUS, _BUS_PATH, _BUS, member, "s", [argument])

        for rule in _RULES:
            await self._call(bus, to_bus("AddMatch", rule))
        await self._call(bus, self._message(_SYSTEMD, ROOT_OBJECT, _MANAGER, "Subscribe", "", []))
        self._owner = (await self._call(bus, to_bus("GetNameOwner", _SYSTEMD)))[0]

    async def _watch(self, bus: MessageBus) -> None:
        try:
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
            why = "it was closed"
        except (OSError, EOFError, self._library.errors.DBusFastError) as error:
            why = _words(error)
        if bus is self._bus:
            self._lost = True
            log.warning(
                "the connection to D-Bus was lost: %s; units are neither seen nor steered until it is back", why
            )
            self._drop(f"the connection to D-Bus was lost: {why}")

    # --- what comes in --------------------------------------------------------------------------

    def _hear(self, message: Message) -> None:
        """In a turn of the loop of its own: the library swallows what a listener raises, and S10 must hear of it."""
        if message.message_type is self._library.MessageType.SIGNAL:
            asyncio.get_running_loop().call_soon(self._signalled, message)

    def _signalled(self, message: Message) -> None:
        if message.member == "NameOwnerChanged" and message.sender == _BUS:
            self._owner = str(message.body[2])  # systemd re-executes itself under another name
            if self._owner:
                self._subscribing = asyncio.ensure_future(self._subscribe_again())
        elif message.sender != self._owner:
            return  # anybody on the bus may send us a signal that looks like systemd's
        elif message.member == "JobRemoved":
            self._job_removed(str(message.body[1]), str(message.body[3]))
        elif message.member == "PropertiesChanged" and message.body[0] == _UNIT:
            self._unit_changed(str(message.path), message.body[1])

    async def _subscribe_again(self) -> None:
        """A systemd that has forgotten its subscribers sends no signals; the polls find what was missed."""
        with contextlib.suppress(BusLostError, RefusedError):  # refused: it has not forgotten
            await self._ask(CALL_S, "Subscribe")

    def _job_removed(self, job: str, result: str) -> None:
        ended = self._waiting.get(job)
        if ended is not None and not ended.done():
            ended.set_result(result)
        elif self._enqueuing and len(self._early) < MOST_EARLY:
            self._early[job] = result

    def _unit_changed(self, path: str, changed: dict[str, Any]) -> None:
        if "ActiveState" in changed and "SubState" in changed:
            for listener in list(self._heard.get(path, ())):
                listener(changed["ActiveState"].value, changed["SubState"].value)


def _rule_for(path: str) -> str:
    return f"type='signal',sender='{_SYSTEMD}',path='{path}',interface='{_PROPERTIES}',member='PropertiesChanged'"


def _error_of(answer: Message) -> BusLostError | RefusedError:
    """No answer, and nobody there: unknown. Everything else is systemd's (or the bus's) own no."""
    name, text = answer.error_name or "", str(answer.body[0]) if answer.body else ""
    if name.removeprefix(f"{_BUS}.Error.") in ("NoReply", "Timeout", "TimedOut", "Disconnected"):
        return BusLostError(f"D-Bus: {text or name}")
    if name.removeprefix(f"{_BUS}.Error.") in ("ServiceUnknown", "NameHasNoOwner"):
        return BusLostError("no systemd on D-Bus: this host was not started by systemd")
    if name.removeprefix(f"{_BUS}.Error.") in ("InteractiveAuthorizationRequired", "AccessDenied", "AuthFailed"):
        return ForbiddenError(f"{text or name} ({_whose_right()})")
    return RefusedError(text or name)


def _whose_right() -> str:
    """What to do about a right that is missing; root has them all, unless SELinux or the bus itself says no."""
    if os.geteuid() == 0:
        return "see: journalctl -u dbus"
    return f"user {os.geteuid()} may not: polkit must run, with a rule for this unit: failoverctl install --strict"


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return reason_of(error)
    return str(error) or type(error).__name__


logging.getLogger("dbus_fast").setLevel(logging.CRITICAL)  # it logs tracebacks of its own; we tell what happened
