"""The demo's prompt: look, kill, pause, switch over, as often as wanted.

Knows the words and carries them out; what a move is, and how it looks, is told elsewhere.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from failover.demo.asking import NoAnswer, OrderFailed, order
from failover.demo.cluster import Cluster, DemoFailed, await_value
from failover.demo.layout import Node
from failover.demo.moves import Cause, watch
from failover.demo.screen import Screen
from failover.demo.writer import Writer

REASON = "asked for at the demo's prompt"
BACK_S = 15.0
ACTIVE_S = 5.0
HEARD_S = 2.0
HELP = """  status            who is what, and why
  kill              end the active's service (SIGKILL): its controller hands over
  kill controller   end the active's controller: a peer fences that host first
  switchover [TO]   a planned hand-over, to TO or to the best candidate
  pause, resume     automatic moves off, and on again
  help, quit        this list; end the demo (Ctrl-D too)"""


class Prompt:
    """Reads commands until `quit`, the end of the input, or Ctrl-C."""

    def __init__(self, cluster: Cluster, writer: Writer, screen: Screen) -> None:
        self._cluster = cluster
        self._writer = writer
        self._screen = screen
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "status": self._status,
            "kill": self._kill,
            "switchover": self._switchover,
            "pause": self._pause,
            "resume": self._resume,
            "help": self._help,
        }

    def serve(self) -> None:
        """Take commands; what fails is said, and the next one is asked for."""
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - the arrow keys

        self._help([])
        while True:
            try:
                words = input("demo> ").split()
            except EOFError:
                self._screen.say("")
                return
            if not words:
                continue
            if words[0] in ("quit", "exit", "q"):
                return
            command = self._commands.get(words[0], self._unknown)
            try:
                command(words[1:])
            except DemoFailed as failed:
                self._screen.say(f"  {failed}")
                if failed.log:
                    self._screen.say(failed.log)
            except OrderFailed as refused:
                self._screen.say(f"  refused: {refused}")
            except NoAnswer as silent:
                self._screen.say(f"  no answer from the controller ({silent}); try status")

    def _help(self, _: list[str]) -> None:
        self._screen.say(HELP)

    def _unknown(self, _: list[str]) -> None:
        self._screen.say("  no such command; help lists them")

    def _status(self, _: list[str]) -> None:
        nodes = self._cluster.layout.nodes
        states = [(node.name, self._cluster.status(node)) for node in nodes]
        self._screen.cluster(states, " ".join(node.url for node in nodes))
        node, at = self._writer.seen()
        ago_s = time.time() - at
        self._screen.say(
            f"  the client: {self._writer.acknowledged} writes acknowledged, the last one accepted "
            f"by {node or 'nobody yet'}" + (f" {ago_s:.1f} s ago" if ago_s > 1 and node else "")
        )

    def _kill(self, words: list[str]) -> None:
        active = self._active()
        what = words[0] if words else "service"
        kills = {"service": self._cluster.kill_service, "controller": self._cluster.kill_controller}
        if what not in kills:
            self._screen.say("  kill what? kill, kill service, or kill controller")
        elif (self._cluster.status(active) or {}).get("pause"):
            kills[what](active)
            self._screen.say(f"  {active.name}'s {what} is killed; the service is paused: nothing moves until resume")
        else:
            self._move(active, Cause(f"{what} killed", "death seen", lambda: kills[what](active)))

    def _switchover(self, words: list[str]) -> None:
        active = self._active()
        body: dict[str, Any] = {"reason": REASON, **({"to": words[0]} if words else {})}
        self._move(active, Cause("switchover ordered", "order seen", lambda: _ordered(active, "switchover", body)))

    def _pause(self, _: list[str]) -> None:
        _ordered(self._anyone(), "pause", {"reason": REASON})
        self._await_pause(True)
        self._screen.say("  paused: nothing moves by itself until resume")

    def _resume(self, _: list[str]) -> None:
        """What was ill under the pause moves now, and that is shown too."""
        active = self._cluster.active()
        told = self._cluster.status(active) if active is not None else None
        if active is not None and told is not None and told.get("pause") and told.get("health") != "healthy":
            self._move(active, Cause("resumed", "illness seen", lambda: _ordered(active, "resume", {})))
            return
        _ordered(self._anyone(), "resume", {})
        self._await_pause(False)
        self._screen.say("  automatic moves are on again")

    def _await_pause(self, wanted: bool) -> None:
        """An order is taken when it is written; every controller hears of it a moment later."""

        def heard() -> bool | None:
            told = [self._cluster.status(node) for node in self._cluster.layout.nodes]
            return all(bool(each.get("pause")) is wanted for each in told if each is not None) or None

        await_value(heard, HEARD_S)

    def _move(self, source: Node, cause: Cause) -> None:
        self._screen.move(watch(self._cluster, self._writer, source, cause))
        began = time.monotonic()
        with self._screen.working(f"waiting until {source.name} is back as a standby ..."):
            self._cluster.wait_until_settled(BACK_S)
        self._screen.say(f"{source.name} is back as a standby, {time.monotonic() - began:.1f} s later.")

    def _active(self) -> Node:
        active = await_value(self._cluster.active, ACTIVE_S)
        if active is None:
            raise DemoFailed("nobody is active at the moment; status says why")
        return active

    def _anyone(self) -> Node:
        for node in self._cluster.layout.nodes:
            if self._cluster.status(node) is not None:
                return node
        raise DemoFailed("no controller answers at the moment; try again in a few seconds")


def _ordered(node: Node, what: str, body: dict[str, Any]) -> float:
    """Give the order; the moment before it (wall clock). Raises OrderFailed, NoAnswer."""
    moment = time.time()
    order(node.socket, f"/v1/{what}", body)
    return moment
