"""The demo from its arguments to its exit code: start, write, strike, tell, verify, end.

Whatever goes wrong is told in a line, with the last words of the controller concerned; no traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import sys
from collections.abc import Iterator

from failover.demo.cluster import Cluster, DemoFailed, await_value
from failover.demo.layout import Node, lay_out
from failover.demo.moves import Cause, Move, watch
from failover.demo.prompt import Prompt
from failover.demo.screen import Screen, Silence, Terminal
from failover.demo.writer import Instance, Writer, lost

OK, FAILED, INTERRUPTED = 0, 1, 130
WARM_WRITES = 100
MORE_WRITES = 50
WRITES_S = 10.0
ABOUT = """Three nodes on this host with the embedded store (kind local), each controller a process of its own beside a
small real service: redis-server where it is installed, else a little TCP service that comes with the demo. A client
writes all the while. The active's service is killed, another node takes over, and a timeline names each phase. With
--once that is all; without it the demo stays: kill, pause and switch over at its prompt. Nothing of it outlives it."""
MEASURE = """failover_ms, and the milliseconds of each phase, count from the moment before SIGKILL is sent to the
active's service; failover_ms ends when the client has the answer to the first write that the new active accepted.
acknowledged_writes are those that every connected standby had too when the client was told; lost_writes are the ones
among them that were not there at the end. Exit codes: 0; 1 when something did not come up in time, or a write was
lost; 130 when --once was interrupted."""


def run(argv: list[str]) -> int:
    """Run the demo. Returns 0; 1 when something failed or a write was lost; 130 when --once was interrupted."""
    options = _options(argv)
    screen: Screen = Silence() if options.json else Terminal()
    try:
        with _cluster(_kind(options.service)) as cluster, _writer(cluster) as writer:
            demo = Demo(cluster, writer, screen)
            return demo.once(options.json) if options.once else demo.stay()
    except DemoFailed as failed:
        return _told(failed, options.json)
    except OSError as error:
        return _told(DemoFailed(f"this host did not let the demo run: {error}"), options.json)
    except KeyboardInterrupt:
        screen.say("\nended")
        return INTERRUPTED if options.once else OK


class Demo:
    """One run over a cluster that has not been started yet."""

    def __init__(self, cluster: Cluster, writer: Writer, screen: Screen) -> None:
        self._cluster = cluster
        self._writer = writer
        self._screen = screen

    def once(self, as_json: bool) -> int:
        """One failover, the old active's return, the verification."""
        move = self._show()
        self._await_writes(MORE_WRITES)
        acknowledged, lost_writes = self._verify()
        if as_json:
            sys.stdout.write(json.dumps(_report(move, acknowledged, lost_writes), indent=2) + "\n")
        return OK if lost_writes == 0 else FAILED

    def stay(self) -> int:
        """One failover, then whatever is asked for at the prompt."""
        self._show()
        Prompt(self._cluster, self._writer, self._screen).serve()
        _, lost_writes = self._verify()
        return OK if lost_writes == 0 else FAILED

    def _show(self) -> Move:
        self._screen.layout(self._cluster.layout)
        with self._screen.working("starting three services and three controllers ..."):
            self._cluster.start()
            active = self._cluster.wait_until_settled()
        self._writer.start()
        self._await_writes(WARM_WRITES)
        self._screen.say(f"{active.name} is active, the others follow, a client writes. Now its service is killed.")
        cause = Cause("service killed", "death seen", lambda: self._cluster.kill_service(active))
        move = watch(self._cluster, self._writer, active, cause)
        self._screen.move(move)
        with self._screen.working(f"waiting until {move.source} is back as a standby ..."):
            self._cluster.wait_until_settled()
        self._screen.say(f"{move.source} has come back by itself, as a standby.")
        return move

    def _await_writes(self, count: int) -> None:
        wanted = self._writer.acknowledged + count
        if not await_value(lambda: self._writer.acknowledged >= wanted or None, WRITES_S):
            raise DemoFailed(f"the client did not get {count} writes acknowledged within {WRITES_S:g} s")

    def _verify(self) -> tuple[int, int]:
        """How many writes were acknowledged, and how many of them are not there. Raises DemoFailed."""
        self._writer.stop()
        newest = self._writer.newest()
        active = await_value(self._cluster.active, WRITES_S)
        if active is None:
            raise DemoFailed("nobody is active: the writes cannot be verified")
        door = self._cluster.knock(active)
        try:
            missing = lost(newest, door.read(newest))
        finally:
            door.close()
        self._screen.outcome(self._writer.acknowledged, len(missing))
        return self._writer.acknowledged, len(missing)


@contextlib.contextmanager
def _cluster(kind: str) -> Iterator[Cluster]:
    cluster = Cluster(lay_out(kind))
    try:
        yield cluster
    finally:
        with _undisturbed():
            cluster.stop()


@contextlib.contextmanager
def _writer(cluster: Cluster) -> Iterator[Writer]:
    writer = Writer([_instance(cluster, node) for node in cluster.layout.nodes])
    try:
        yield writer
    finally:
        writer.stop()


def _instance(cluster: Cluster, node: Node) -> Instance:
    return Instance(node.name, lambda: cluster.knock(node))


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """An impatient second Ctrl-C must not leave half of it behind."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _report(move: Move, acknowledged: int, lost_writes: int) -> dict[str, object]:
    return {
        "from": move.source,
        "to": move.target,
        "failover_ms": move.ms,
        "phases": {phase.key: phase.ms for phase in move.phases},
        "acknowledged_writes": acknowledged,
        "lost_writes": lost_writes,
    }


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="failoverctl demo", description=ABOUT, epilog=MEASURE, allow_abbrev=False)
    parser.add_argument("--once", action="store_true", help="one failover, then end; needs no terminal")
    parser.add_argument("--json", action="store_true", help="the result for programs, and nothing else; means --once")
    parser.add_argument("--service", choices=("auto", "redis", "tcp"), default="auto", help="default: auto")
    options = parser.parse_args(argv)
    options.once = options.once or options.json
    return options


def _kind(wanted: str) -> str:
    missing = [program for program in ("redis-server", "redis-cli") if shutil.which(program) is None]
    if wanted == "auto":
        return "tcp" if missing else "redis"
    if wanted == "redis" and missing:
        raise DemoFailed(f"{' and '.join(missing)} is not installed; leave out --service, or install redis-server")
    return wanted


def _told(failed: DemoFailed, as_json: bool) -> int:
    """Say what failed: for people on standard error, with the log; for programs on standard output as well."""
    if as_json:
        told = {"ok": False, "error": str(failed), "next": "", "exit_code": FAILED, "exit": "failed"}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    sys.stderr.write(f"failoverctl demo: {failed}\n")
    if failed.log:
        sys.stderr.write(f"{failed.log}\n")
    return FAILED
