"""The launcher's small process: starts hooks quickly, ends them surely, and ends them all with its controller.

Run as a program of its own (`COMMAND`), it imports nothing of the project and little else: the smaller it is, the
cheaper its forks. Hence the bare `_signal` and `_socket`: the modules around them would add a quarter to what every
fork copies. It knows nothing of verdicts, attempts or services. One thread, one loop.

Requests and reports are marshalled tuples, one in each message of a SOCK_SEQPACKET pair:

    -> ("run", id, name, argv, env, cwd, timeout_s, whole_tree), with descriptors: input, output[, errors]
    -> ("kill", id)
    <- ("ready", pid)
    <- ("failed", id, text)              it was not executed; "ended" follows
    <- ("stuck", id, status, timed_out)  something of it lives on, KILL_WAIT_S after SIGKILL
    <- ("ended", id, status, timed_out)  nothing of it is left

The hook leads a session, and so a process group, of its own. What stays in the *group* ends with the hook. What stays
in the *session* ends too when the hook is ended by force: at its deadline, by request, or with the controller.
Of a hook whose *whole tree* is asked for, nothing outlives it at all: its descendants are found by the mark in their
environment, and by their descent where they have cleared it.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import _socket as socket
import marshal
import os
import select
import sys
import time

# Imported, not run by path: so that its compiled form is used. Appended: so that it can hide no standard module.
COMMAND = f"import sys; sys.path.append({os.path.dirname(__file__)!r}); import spawner; spawner.main()"

Request = tuple[str, str, tuple[str, ...], dict[str, str], str, float, bool]  # of "run", in the order above

MARK = "FAILOVER_HOOK_ID"  # in every hook's environment, with its id
KILL_WAIT_S = 2.0
LAST_WAIT_S = 3.0
LAST_PAUSE_S = 0.005
LARGEST_REQUEST = 192 * 1024

_LARGEST_ENVIRONMENT = 1024 * 1024
_INTEGER = 4  # bytes
_SET_PDEATHSIG = 1
_SET_NAME = 15
_SET_CHILD_SUBREAPER = 36
_WITHOUT_EFFECT = (
    signal.SIGPIPE,  # Python itself ignores this one and the next
    signal.SIGXFSZ,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGCHLD,
)


def read_stat(pid: int) -> tuple[str, int, int, int] | None:
    """(state, process group, session, start time in ticks after boot) of a process; None: there is none."""
    fields = _fields(pid)
    return (fields[0].decode(), int(fields[2]), int(fields[3]), int(fields[19])) if fields else None


def parent_of(pid: int) -> int:
    """The pid of a process's parent; 0 if there is no such process."""
    fields = _fields(pid)
    return int(fields[1]) if fields else 0


def _fields(pid: int) -> list[bytes]:
    """What stands in /proc/PID/stat from the state on (proc(5)); nothing if there is no such process."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        text = os.read(descriptor, 4096)
    except OSError:  # it ended between the two calls
        return []
    finally:
        os.close(descriptor)
    return text[text.rindex(b")") + 2 :].split()


def members(session: int, group_only: bool = False) -> list[int]:
    """The living processes of a session (or of the group of that number alone); zombies are dead."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := read_stat(int(entry))):
            state, group, its_session, _ = stat
            if state not in "ZX" and session == (group if group_only else its_session):
                found.append(int(entry))
    return found


def kill_member(pid: int, session: int) -> None:
    """SIGKILL to `pid` if it still belongs to the session: a pidfd keeps the number from being recycled between."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        stat = read_stat(pid)
        if stat and session in (stat[1], stat[2]):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:  # it ended, or it is not ours to kill: `members` will tell
        pass
    finally:
        os.close(descriptor)


def marked(id_: str) -> dict[int, int]:
    """The living processes that bear that hook's mark in their environment, with their start times."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and bears_mark(int(entry), id_) and (stat := read_stat(int(entry))) and stat[0] not in "ZX":
            found[int(entry)] = stat[3]
    return found


def bears_mark(pid: int, id_: str) -> bool:
    """Whether that hook's mark is in its environment, as far as that can be read."""
    try:
        descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    text = b""
    try:
        while len(text) < _LARGEST_ENVIRONMENT and (more := os.read(descriptor, 65536)):
            text += more
    except OSError:  # it ended meanwhile
        pass
    finally:
        os.close(descriptor)
    return f"{MARK}={id_}".encode() in text.split(b"\0")


def descendants(root: int) -> dict[int, int]:
    """The living processes below that one, with their start times."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _fields(int(entry))):
            parents[int(entry)] = int(fields[1]), int(fields[19]), fields[0]
    found: dict[int, int] = {}
    layer = {root}
    while layer:
        layer = {pid for pid, (parent, _, _) in parents.items() if parent in layer and pid not in found}
        found |= {pid: parents[pid][1] for pid in layer}
    return {pid: start for pid, start in found.items() if parents[pid][2] not in (b"Z", b"X")}


def kill_started_at(pid: int, started: int) -> None:
    """SIGKILL to `pid` if it is still the process that started then."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if start_time(pid) == started:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:  # it ended, or it is not ours to kill
        pass
    finally:
        os.close(descriptor)


def start_time(pid: int) -> int:
    """Start time of a process in ticks after boot, 0 if there is none."""
    stat = read_stat(pid)
    return stat[3] if stat else 0


def boot_id() -> str:
    """The kernel's name of this boot: pids and start times mean something only within it."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _lives(pid: int, started: int) -> bool:
    """Whether that very process runs."""
    stat = read_stat(pid)
    return stat is not None and stat[0] not in "ZX" and stat[3] == started


def _nothing(_number: int, _frame: object) -> None:
    """What comes of a signal: that the poll is woken."""


def _integers(content: bytes) -> list[int]:
    """The C integers in it."""
    whole = len(content) - len(content) % _INTEGER
    return [int.from_bytes(content[at : at + _INTEGER], sys.byteorder) for at in range(0, whole, _INTEGER)]


class Hook:
    """A running hook: `pid` leads its group and session. `status` is set once the leader was reaped.

    `tree`: what of it was found outside of its session, where the `whole_tree` has to end.
    """

    __slots__ = ("deadline", "forced", "id", "killed_at", "pid", "status", "stuck", "timed_out", "tree", "whole_tree")

    def __init__(self, id: str, pid: int, deadline: float, whole_tree: bool) -> None:  # noqa: A002
        self.id = id
        self.whole_tree = whole_tree
        self.tree: dict[int, int] = {}
        self.pid = pid
        self.deadline = deadline
        self.status: int | None = None
        self.killed_at: float | None = None
        self.forced = False
        self.timed_out = False
        self.stuck = False


class Spawner:
    """Serves one controller until the socket says that it is gone."""

    def __init__(self, connection: socket.socket, directory: str) -> None:
        self.connection = connection
        self.directory = directory
        self.hooks: dict[str, Hook] = {}
        self.pid = os.getpid()
        import ctypes  # here: the controller, which imports this module too, has no need of it

        self.prctl = ctypes.CDLL(None, use_errno=True).prctl
        self.boot_id = boot_id()
        self.controller = os.getppid()
        self.controller_start = start_time(self.controller)
        self.wake, self.wakened = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def serve(self) -> None:
        """Start and end hooks until the controller is gone; then end them all."""
        self._prepare()
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        poll.register(self.wake, select.POLLIN)
        if not self._report(("ready", os.getpid())):
            return
        serving = True
        while serving:
            ready = {descriptor for descriptor, _ in poll.poll(self._patience_ms())}
            if self.connection.fileno() in ready:
                serving = self._take_request()
            self._turn()
        self._end_all()

    def _prepare(self) -> None:
        self.prctl(_SET_NAME, b"failoverd-hooks", 0, 0, 0)
        # What a hook leaves behind becomes ours to reap: an unreaped zombie would keep its group "alive",
        # and the first process of a container often reaps nobody.
        self.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        # Handled, not ignored: what is ignored stays so through an exec, what is handled is the hook's default again.
        for number in _WITHOUT_EFFECT:
            signal.signal(number, _nothing)
        signal.set_wakeup_fd(self.wakened, warn_on_full_buffer=False)

    def _patience_ms(self) -> float | None:
        """Until the nearest deadline; what was struck is looked after soon at first, then ever less often."""
        now = time.monotonic()
        waits = [
            hook.deadline - now if hook.killed_at is None else min(0.2, 0.002 + (now - hook.killed_at) / 4)
            for hook in self.hooks.values()
        ]
        return max(0.0, min(waits) * 1000 + 1) if waits else None

    def _turn(self) -> None:
        self._reap()
        now = time.monotonic()
        for hook in list(self.hooks.values()):
            if hook.killed_at is None and now >= hook.deadline:
                hook.timed_out = True
                self._kill(hook)
            if hook.killed_at is not None:
                self._look_after(hook, now - hook.killed_at)

    # --- requests and reports

    def _take_request(self) -> bool:
        try:
            data, ancillary, _, _ = self.connection.recvmsg(
                LARGEST_REQUEST, socket.CMSG_SPACE(4 * 4), socket.MSG_CMSG_CLOEXEC
            )
        except OSError:  # connection reset: the controller is gone, and had not read every report
            return False
        if not data:
            return False
        descriptors = [number for _, _, content in ancillary for number in _integers(content)]
        request = marshal.loads(data)
        if request[0] == "run":
            self._run(request[1:], descriptors)
        elif (hook := self.hooks.get(request[1])) is not None and not hook.forced:
            self._kill(hook)
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _report(self, report: tuple[str | int | None, ...]) -> bool:
        """False: nobody reads any more; the next poll will say so too."""
        try:
            self.connection.send(marshal.dumps(report), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    # --- starting

    def _run(self, request: Request, descriptors: list[int]) -> None:
        id_, timeout_s, whole_tree = request[0], request[5], request[6]
        try:
            pid = os.fork()
        except OSError as error:
            self._report(("failed", id_, f"no new process: {error.strerror}"))
            self._report(("ended", id_, 0, False))
            return
        if pid == 0:
            try:
                self._become(request, descriptors)
            finally:
                os._exit(127)
        self.hooks[id_] = Hook(id_, pid, time.monotonic() + timeout_s, whole_tree)

    def _become(self, request: Request, descriptors: list[int]) -> None:
        """In the child: on disk first, then executed (S4). Returns only if that failed."""
        id_, name, argv, env, cwd, _, whole_tree = request
        try:
            os.setsid()
            self.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != self.pid:  # it ended before the line above could bind us to it
                return
            self._record(id_, name, whole_tree)
            for target, source in enumerate((descriptors[0], descriptors[1], descriptors[-1])):
                os.dup2(source, target)
            os.chdir(cwd)
            os.execvpe(argv[0], argv, env)
        except OSError as error:
            self._report(("failed", id_, f"{error.filename or argv[0]}: {error.strerror}"))
        except ValueError as error:  # a NUL character in argv or env
            self._report(("failed", id_, str(error)))

    def _record(self, id_: str, name: str, whole_tree: bool) -> None:
        pid = os.getpid()
        lines = (
            f"pid {pid}\nstart_time {start_time(pid)}\ngroup {os.getpgrp()}\nboot_id {self.boot_id}\n"
            f"controller {self.controller}\ncontroller_start_time {self.controller_start}\n"
            f"whole_tree {int(whole_tree)}\nname {name}\n"
        )
        # Not synced: it must outlive the controller, not the host, whose end is the hook's as well.
        path = f"{self.directory}/{id_}"
        descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.write(descriptor, lines.encode())
        os.close(descriptor)
        os.rename(f"{path}.new", path)

    # --- ending

    def _kill(self, hook: Hook) -> None:
        hook.forced = True
        self._strike(hook)

    def _strike(self, hook: Hook) -> None:
        """SIGKILL. The group's number cannot be another's: its leader is not reaped, or members hold it."""
        if hook.killed_at is None:
            hook.killed_at = time.monotonic()
        if hook.whole_tree:  # before the leader ends: then its children are nobody's
            hook.tree |= descendants(hook.pid)
            self._strike_tree(hook)
        try:  # noqa: SIM105  (contextlib would be one more import)
            os.killpg(hook.pid, signal.SIGKILL)
        except OSError:  # no group yet (the child has not come to setsid), none left, or none of ours
            pass
        if hook.status is None:
            try:  # noqa: SIM105
                os.kill(hook.pid, signal.SIGKILL)
            except OSError:
                pass
        if hook.forced:
            for pid in members(hook.pid):
                kill_member(pid, hook.pid)

    def _strike_tree(self, hook: Hook) -> bool:
        """SIGKILL to what is left of the tree; whether there was anything. It may have had children since."""
        hook.tree |= marked(hook.id)
        for pid in list(hook.tree):
            hook.tree |= descendants(pid)
        hook.tree = {pid: started for pid, started in hook.tree.items() if _lives(pid, started)}
        for pid, started in hook.tree.items():
            kill_started_at(pid, started)
        return bool(hook.tree)

    def _reap(self) -> None:
        try:
            while os.read(self.wake, 512):
                pass
        except BlockingIOError:
            pass
        leaders = {hook.pid: hook for hook in self.hooks.values() if hook.status is None}
        while True:
            try:
                # Look first, reap later: a zombie leader keeps its number, so the group can be struck safely.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            hook = leaders.get(ended.si_pid)
            if hook is not None:
                self._strike(hook)
            _, status = os.waitpid(ended.si_pid, 0)
            if hook is not None:
                hook.status = status

    def _look_after(self, hook: Hook, struck_for_s: float) -> None:
        """Report what was struck: gone, or stuck when it lives on for too long."""
        if hook.status is not None and not self._something_left(hook):
            self._forget(hook)
        elif not hook.stuck and struck_for_s >= KILL_WAIT_S:
            hook.stuck = True
            self._report(("stuck", hook.id, hook.status or 0, hook.timed_out))

    def _something_left(self, hook: Hook) -> bool:
        try:
            os.killpg(hook.pid, 0)
        except ProcessLookupError:
            pass
        except PermissionError:
            return True
        else:
            if members(hook.pid, group_only=True):
                return True
        if hook.whole_tree and self._strike_tree(hook):
            return True
        if not hook.forced:
            return False
        rest = members(hook.pid)
        for pid in rest:  # one that was born while the others were being struck
            kill_member(pid, hook.pid)
        return bool(rest)

    def _forget(self, hook: Hook) -> None:
        del self.hooks[hook.id]
        for path in (f"{self.directory}/{hook.id}", f"{self.directory}/{hook.id}.new"):
            try:  # noqa: SIM105
                os.unlink(path)
            except OSError:
                pass
        self._report(("ended", hook.id, hook.status, hook.timed_out))

    def _end_all(self) -> None:
        """The controller is gone: so are its hooks. Records of what cannot be ended stay for the next one."""
        for hook in list(self.hooks.values()):
            self._kill(hook)
        until = time.monotonic() + LAST_WAIT_S
        while self.hooks and time.monotonic() < until:
            self._turn()
            time.sleep(LAST_PAUSE_S)


def main() -> None:
    """Take the socket's descriptor and the directory from the command line."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(connection.fileno(), False)  # it was inherited itself; no hook may hold it, or speak through it
    Spawner(connection, sys.argv[2]).serve()
