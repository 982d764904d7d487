"""The demo's three make-believe hosts: started, looked at, struck, and ended with everything that runs on them.

Knows no terminal. What does not come up in time is told by DemoFailed, with the last lines of that controller's log.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from failover.demo.asking import NoAnswer, ask
from failover.demo.doors import DOORS, Door
from failover.demo.layout import HERE, SERVICE, Layout, Node
from failover.ports.store import FormatError
from failover.stores import STORES

T = TypeVar("T")
READY_S = 30.0
END_S = 5.0
POLL_S = 0.02
BEHIND = "behind"  # a hook's mark: this instance has not caught up yet
LINES_TOLD = 12
LONGEST_TOLD_BYTES = 16 * 1024


class DemoFailed(Exception):
    """Something did not happen in time. The text says what; `log` holds the last lines that tell why."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class Cluster:
    """Three hosts. `stop` ends everything; so does the end of this process, however it comes."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._machines: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Make the store's paths and start the hosts; each boots by itself. Raises DemoFailed."""
        self._format()
        environment = {**os.environ, "PYTHONPATH": _python_path(), "PYTHONUNBUFFERED": "1"}
        for node in self.layout.nodes:
            with node.log.open("ab") as log:
                self._machines[node.name] = subprocess.Popen(
                    [sys.executable, "-m", "failover.demo.machine", str(node.folder)],
                    stdin=subprocess.PIPE,  # its end is the end of the host
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )

    def _format(self) -> None:
        store = STORES["local"](str(self.layout.store), SERVICE)
        try:
            store.format()
        except FormatError as error:
            raise DemoFailed(f"the store could not be made: {error}") from None
        finally:
            store.shut_down()

    def stop(self) -> None:
        """End every host with all that runs on it, and remove the scratch folder."""
        for machine in self._machines.values():
            if machine.stdin is not None:
                machine.stdin.close()
        until = time.monotonic() + END_S
        for machine in self._machines.values():
            try:
                machine.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                machine.kill()
                machine.wait()
        shutil.rmtree(self.layout.scratch, ignore_errors=True)

    # --- looking

    def status(self, node: Node) -> dict[str, Any] | None:
        """What the node's controller says of itself; None: it does not answer."""
        try:
            return ask(node.socket, "/v1/status")
        except NoAnswer:
            return None

    def active(self) -> Node | None:
        """The node whose controller says that it is active."""
        for node in self.layout.nodes:
            told = self.status(node)
            if told is not None and told.get("role") == "active":
                return node
        return None

    def lines(self) -> list[dict[str, Any]]:
        """What all controllers remember of their last steps, oldest first."""
        told = [self.status(node) or {} for node in self.layout.nodes]
        lines = [line for each in told for line in each.get("recent", [])]
        return sorted(lines, key=lambda line: str(line.get("at", "")))

    def knock(self, node: Node) -> Door:
        """A connection to the node's instance of the service. Raises OSError."""
        return DOORS[self.layout.kind](node.service_port)

    def wait_until_settled(self, within_s: float = READY_S) -> Node:
        """Until one node is active, the others are standbys, and their instances follow it. Raises DemoFailed."""
        deadline = time.monotonic() + within_s
        while True:
            active, missing = self._look()
            if active is not None and missing is None:
                return active
            if time.monotonic() >= deadline:
                raise self._failure(missing, active, within_s)
            self._refuse_dead_machines()
            time.sleep(POLL_S)

    def _look(self) -> tuple[Node | None, Node | None]:
        """The active, and the first node that is not where it should be."""
        active = missing = None
        for node in self.layout.nodes:
            told = self.status(node) or {}
            if told.get("role") == "active":
                active = node
            elif told.get("role") != "standby" or told.get("health") != "healthy" or (node.folder / BEHIND).exists():
                missing = missing or node
        if active is not None and missing is None and not self._all_follow(active):
            missing = active
        return active, missing

    def _all_follow(self, active: Node) -> bool:
        try:
            door = self.knock(active)
        except OSError:
            return False
        try:
            return door.standbys() == len(self.layout.nodes) - 1
        except OSError:
            return False
        finally:
            door.close()

    def _failure(self, missing: Node | None, active: Node | None, within_s: float) -> DemoFailed:
        node = missing or self.layout.nodes[0]
        told = self.status(node)
        if told is None:
            what = f"{node.name}'s controller does not answer"
        elif node is active:
            what = f"{node.name} is active, but not every other instance follows it"
        else:
            what = f"{node.name} is {told.get('role')}, {told.get('health')}: {told.get('why')}"
        return DemoFailed(f"not ready within {within_s:g} s: {what}", self.last_words(node))

    def _refuse_dead_machines(self) -> None:
        for name, machine in self._machines.items():
            if machine.poll() is not None:
                node = self.layout.node(name)
                raise DemoFailed(f"the make-believe host {name} ended at once", self.last_words(node))

    def last_words(self, node: Node) -> str:
        """The last lines of the controller's log, and of the service's."""
        told = []
        for path in (node.log, node.folder / "service.log"):
            lines = _tail(path)
            if lines:
                told.append(f"the last lines of {path.name} of {node.name}:\n" + "\n".join(f"  {x}" for x in lines))
        return "\n".join(told)

    # --- striking

    def kill_service(self, node: Node) -> float:
        """SIGKILL to the node's instance of the service; the moment before it (wall clock). Raises DemoFailed."""
        return self._kill(node, "pid", "service")

    def kill_controller(self, node: Node) -> float:
        """SIGKILL to the node's controller; the moment before it (wall clock). Raises DemoFailed."""
        return self._kill(node, "controller.pid", "controller")

    def _kill(self, node: Node, file: str, what: str) -> float:
        try:
            pid = int((node.folder / file).read_text("ascii"))
            at_home = Path(f"/proc/{pid}/cwd").readlink() == node.folder  # no stranger has the number by now
        except (OSError, ValueError):
            at_home = False
        if not at_home:
            raise DemoFailed(f"the {what} of {node.name} does not run")
        moment = time.time()
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            raise DemoFailed(f"the {what} of {node.name} has just ended by itself") from None
        return moment


def await_value(ask_for: Callable[[], T | None], within_s: float) -> T | None:
    """The first value that is there, asked for again and again; None when there was none in time."""
    deadline = time.monotonic() + within_s
    while True:
        value = ask_for()
        if value is not None or time.monotonic() >= deadline:
            return value
        time.sleep(POLL_S)


def _python_path() -> str:
    """The packages that this demo runs from, first: also in a bare checkout."""
    given = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(HERE.parents[1]), *([given] if given else [])])


def _tail(path: Path) -> list[str]:
    try:
        text = path.read_bytes()[-LONGEST_TOLD_BYTES:].decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-LINES_TOLD:]
