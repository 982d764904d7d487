"""Running hooks with a deadline, through a small process of its own that ends them all when the controller dies (S4).

The controller's side of `spawner`: it hands commands over a socket and waits for reports. Knows nothing of verdicts,
attempts or services; whose hook may run when is its callers' matter.
"""

from __future__ import annotations

import array
import asyncio
import marshal
import re
import secrets
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from failover.support import spawner
from failover.support.command import Command, Outcome
from failover.support.hook_records import (
    MARK,
    HookRecord,
    end_hooks,
    hooks_directory,
    is_alive,
    left_behind,
    read_records,
)
from failover.support.running_hook import RunningHook, Streams, streams_for

START_WAIT_S = 5.0
CLOSE_WAIT_S = spawner.LAST_WAIT_S + 1.0
SILENCE_S = spawner.KILL_WAIT_S + 0.5
SECOND_CHANCE_S = 1.0
MOST_HOOKS = 64
LARGEST_REPORT = 64 * 1024


class LauncherError(Exception):
    """The launcher could not be started, or is lost: no hook can be run, so the controller must end itself (S10)."""


class Launcher:
    """Runs commands. `lost` is done, with the reason, when it no longer can; the controller must then end (S10).

    `unstoppable` holds the ids of hooks that lived on 2 s after SIGKILL, for as long as they do.
    """

    def __init__(self, state_dir: Path, process: subprocess.Popen[bytes], connection: socket.socket) -> None:
        self.unstoppable: set[str] = set()
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._state_dir = state_dir
        self._process = process
        self._connection = connection
        self._ready = asyncio.Event()
        self._closed = asyncio.Event()
        self._closing = False
        self._hooks: dict[str, RunningHook] = {}
        self._left_over: list[HookRecord] = left_behind(state_dir)
        asyncio.get_running_loop().add_reader(connection, self._reports)

    @classmethod
    async def start(cls, state_dir: str | Path) -> Launcher:
        """Start the small process. End what is recorded (`end_recorded_hooks`) before this.

        Raises LauncherError if it does not come up, or the records cannot be kept.
        """
        directory = hooks_directory(state_dir).absolute()
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            process = subprocess.Popen(  # noqa: ASYNC220  (once, at start; milliseconds)
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-X",
                    "no_debug_ranges",
                    "-c",
                    spawner.COMMAND,
                    str(its.fileno()),
                    str(directory),
                ],
                pass_fds=(its.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            ours.close()
            raise LauncherError(f"the hook launcher cannot be started: {error}") from error
        finally:
            its.close()
        launcher = cls(Path(state_dir), process, ours)
        try:
            async with asyncio.timeout(START_WAIT_S):
                await launcher._ready.wait()
        except TimeoutError:
            await launcher.close()
            raise LauncherError(f"the hook launcher did not answer in {START_WAIT_S:g} s") from None
        if launcher.lost.done():
            await launcher.close()
            raise LauncherError(launcher.lost.result())
        return launcher

    @property
    def pid(self) -> int:
        """The small process's."""
        return self._process.pid

    def alive(self, name: str) -> bool:
        """Whether a hook of that name may be running: one of ours, or one that a predecessor left behind."""
        self._left_over = [record for record in self._left_over if is_alive(record)]
        names = [hook.name for hook in self._hooks.values()] + [record.name for record in self._left_over]
        return name in names

    async def run(self, command: Command) -> Outcome:
        """Run it, and answer when nothing of its process group is left, or it proved unstoppable.

        At its deadline it gets SIGKILL, with its group and session. So it does when this call is cancelled, which is
        complete only once it is gone, or after 2 s (then it is in `unstoppable`).
        """
        hook = self._hand_over(command)
        if isinstance(hook, Outcome):
            return hook
        try:
            return await asyncio.shield(hook.result)
        except asyncio.CancelledError:
            await self._end(hook)
            raise

    async def close(self) -> None:
        """End every hook, and the small process; at most CLOSE_WAIT_S seconds."""
        self._closing = True
        loop = asyncio.get_running_loop()
        with suppress(OSError):  # it is gone already
            self._connection.shutdown(socket.SHUT_WR)
        until = loop.time() + CLOSE_WAIT_S
        try:
            async with asyncio.timeout_at(until):
                await self._closed.wait()
                while self._process.poll() is None:
                    await asyncio.sleep(0.002)
        except TimeoutError:
            self._process.kill()
        self._process.wait()
        self._disconnect()
        for hook in list(self._hooks.values()):
            hook.end(None, timed_out=False, unstoppable=True, error="the controller ends")

    # --- handing over

    def _hand_over(self, command: Command) -> RunningHook | Outcome:
        if self.lost.done() or self._closing:
            return Outcome(started=False, error="the hook launcher is gone")
        if len(self._hooks) >= MOST_HOOKS:
            return Outcome(started=False, error=f"{MOST_HOOKS} hooks run already")
        id_ = f"{re.sub(r'[^A-Za-z0-9_-]', '-', command.name)[:40]}-{secrets.token_hex(6)}"
        name = " ".join(command.name.split())[:100]
        env = {**command.env, MARK: id_}
        request = ("run", id_, name, command.argv, env, command.cwd, max(0.0, command.timeout_s), command.whole_tree)
        data = marshal.dumps(request)
        if len(data) > spawner.LARGEST_REQUEST:
            return Outcome(started=False, error="its arguments and environment are too long")
        try:
            with streams_for(command) as streams:
                self._send(data, streams)
                hook = self._hooks[id_] = RunningHook(id_, name, streams.keep())
        except OSError as error:
            return Outcome(started=False, error=f"not handed to the hook launcher: {error.strerror}")
        self._expect(hook, command.timeout_s)
        return hook

    def _send(self, data: bytes, streams: Streams) -> None:
        rights = array.array("i", streams.theirs)
        self._connection.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    async def _end(self, hook: RunningHook) -> None:
        """Have it killed and wait until it is gone or has proved unstoppable, however often we are cancelled."""
        self._demand_end(hook)
        while not hook.result.done():
            try:
                await asyncio.shield(hook.result)
            except asyncio.CancelledError:
                continue

    def _demand_end(self, hook: RunningHook) -> None:
        if hook.result.done() or self.lost.done():
            return
        try:
            self._connection.send(marshal.dumps(("kill", hook.id)))
        except OSError as error:
            self._lose(f"the hook launcher takes no request: {error.strerror}")
        else:
            self._expect(hook, 0.0)

    def _expect(self, hook: RunningHook, within_s: float) -> None:
        """The launcher reports within that time and SILENCE_S, or it is as good as lost."""
        if hook.overdue is not None:
            hook.overdue.cancel()
        loop = asyncio.get_running_loop()
        hook.overdue = loop.call_later(within_s + SILENCE_S, self._wonder, hook)

    def _wonder(self, hook: RunningHook) -> None:
        """A second chance: after a freeze of the whole host, our timers may come before its reports."""
        silent = "the hook launcher does not answer"
        hook.overdue = asyncio.get_running_loop().call_later(SECOND_CHANCE_S, self._lose, silent)

    # --- reports

    def _reports(self) -> None:
        while True:
            try:
                data = self._connection.recv(LARGEST_REPORT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._lose("the hook launcher ended")
                return
            self._take(marshal.loads(data))

    def _take(self, report: tuple[str, str, int, bool]) -> None:
        kind, id_, *rest = report
        if kind == "ready":
            self._ready.set()
            return
        hook = self._hooks.get(id_)
        if hook is None:
            return
        if kind == "failed":
            hook.failure = str(rest[0])
        elif kind == "stuck":
            self.unstoppable.add(id_)
            hook.end(rest[0], bool(rest[1]), unstoppable=True)
        else:
            self.unstoppable.discard(id_)
            del self._hooks[id_]
            hook.end(rest[0], bool(rest[1]), unstoppable=False)

    # --- the end of the launcher

    def _lose(self, reason: str) -> None:
        """Nothing can be run or ended any more through it: end what is recorded ourselves, and say so."""
        self._disconnect()
        if self._closing or self.lost.done():
            return
        self._process.kill()  # a stopped one would come back to life at an unlucky moment
        self.lost.set_result(reason)
        self._ready.set()
        ours = [record for record in read_records(self._state_dir) if record.id in self._hooks]
        loop = asyncio.get_running_loop()
        ending = loop.run_in_executor(None, end_hooks, self._state_dir, ours)
        ending.add_done_callback(lambda done: self._give_up(reason, done.result().alive))

    def _give_up(self, reason: str, alive: tuple[str, ...]) -> None:
        for id_, hook in list(self._hooks.items()):
            hook.end(None, timed_out=False, unstoppable=id_ in alive, error=reason)
            if id_ in alive:
                self.unstoppable.add(id_)
            else:
                del self._hooks[id_]

    def _disconnect(self) -> None:
        if self._connection.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._connection)
            self._connection.close()
        self._closed.set()
