"""The records of one service in a folder: which file is which, and how each is read and written.

Deliberately unknown here: sessions, and who may write what when. All of it is called under the mutex.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from failover.core.values import Breadcrumb, Control, Crumb, Lock, Member, Node
from failover.ports.store import View
from failover.stores.codec import (
    RecordError,
    encode_breadcrumb,
    encode_control,
    encode_history,
    encode_member,
    read_control,
    read_crumb,
    read_history,
    read_member,
    read_owner,
)
from failover.stores.fields import parse, unparse
from failover.stores.local.files import Mutex, is_held, read_record, write_record

MOST_ENTRIES = 200
MOST_MEMBERS = 64


class ServiceFolder:
    """`<path>/<service>/` with ZooKeeper's own names. Methods raise OSError where the disk does."""

    def __init__(self, path: str, service: str) -> None:
        self.base = Path(path) / _file(service)
        self.lock_file = self.base / "ActiveStandbyElectorLock"
        self.crumb_file = self.base / "ActiveBreadCrumb"
        self.control_file = self.base / "control"
        self.history_file = self.base / "history"
        self.sessions = self.base / "sessions"
        self.members_folder = self.base / "members"
        self._holder_file = self.base / "ActiveStandbyElectorLock.holder"
        self._epoch_file = self.base / "epoch"
        self.mutex = Mutex(self.base / "mutex")

    def formatted(self) -> bool:
        """Whether `format` has been here."""
        return self.control_file.exists()

    def make(self) -> bool:
        """Make what is missing; whether anything was."""
        self.sessions.mkdir(parents=True, exist_ok=True)
        self.members_folder.mkdir(exist_ok=True)
        with self.mutex.held():
            if self.formatted():
                return False
            self.write_control(Control(), 0)
        return True

    # --- lock and epoch -------------------------------------------------------------------------

    def lock(self) -> Lock | None:
        """The lock, if a living process holds it; by an unknown node where its record cannot be read."""
        if not is_held(self.lock_file):
            return None
        found = read_record(self._holder_file)
        try:
            if found is None:
                return Lock(0, "", "")
            fields = parse(str(self._holder_file), found[0])
            return Lock(fields.number("czxid"), fields.text("session"), fields.text("node"))
        except RecordError:
            return Lock(0, "", "")

    def write_holder(self, lock: Lock) -> None:
        """Say who holds the lock; after the flock was taken."""
        data = unparse({"czxid": lock.czxid, "session": lock.session, "node": lock.node})
        write_record(self._holder_file, data)

    def forget_holder(self) -> None:
        """Before the flock is let go."""
        self._holder_file.unlink(missing_ok=True)

    def next_epoch(self) -> int:
        """The next number, on the disk before it is given out. Raises RecordError."""
        found = read_record(self._epoch_file)
        last = 0
        if found is not None:
            last = parse(str(self._epoch_file), found[0]).number("epoch")
        write_record(self._epoch_file, unparse({"epoch": last + 1}), durable=True)
        return last + 1

    # --- breadcrumb and control -----------------------------------------------------------------

    def crumb(self) -> Crumb:
        """The breadcrumb."""
        data, version = read_record(self.crumb_file) or (None, -1)
        return read_crumb(str(self.crumb_file), data, version)

    def write_crumb(self, record: Breadcrumb, version: int) -> Crumb:
        """Replace the breadcrumb, on the disk when this returns."""
        write_record(self.crumb_file, encode_breadcrumb(record), version, durable=True)
        return Crumb(record, version)

    def control(self) -> Control:
        """The control record."""
        data, version = read_record(self.control_file) or (None, -1)
        return read_control(str(self.control_file), data, version)

    def write_control(self, control: Control, version: int) -> None:
        """Replace the control record, on the disk when this returns."""
        write_record(self.control_file, encode_control(control), version, durable=True)

    # --- sessions and members -------------------------------------------------------------------

    def session_file(self, node: str) -> Path:
        """The lock file that the controller of that node holds while it lives."""
        return self.sessions / _file(node)

    def member_file(self, node: str) -> Path:
        """The member record of that node."""
        return self.members_folder / _file(node)

    def write_session(self, node: Node, session: str) -> None:
        """Say which session holds the session file."""
        data = unparse({"node": node.name, "machine_id": node.machine_id, "session": session})
        write_record(self._session_record(node.name), data)

    def write_member(self, member: Member) -> None:
        """Replace the member record."""
        write_record(self.member_file(member.node.name), encode_member(member))

    def owner(self, node: str) -> Node | None:
        """Whose session the session file of that name is. Raises RecordError."""
        path = self._session_record(node)
        found = read_record(path)
        return None if found is None else read_owner(str(path), found[0])

    def members(self) -> tuple[Member, ...]:
        """The members whose controllers live, by name; one that cannot be read is left out."""
        names = sorted(path.name for path in self.members_folder.iterdir())
        seen = [name for name in names if not name.startswith(".")][:MOST_MEMBERS]
        members = (self._member(name) for name in seen if is_held(self.sessions / name))
        return tuple(member for member in members if member is not None)

    def _member(self, name: str) -> Member | None:
        session_record, path = self.sessions / f"{name}.record", self.members_folder / name
        session, record = read_record(session_record), read_record(path)
        if session is None or record is None:
            return None
        try:
            id_ = parse(str(session_record), session[0]).text("session")
            return read_member(str(path), record[0], id_)
        except RecordError:
            return None

    def _session_record(self, node: str) -> Path:
        return self.sessions / f"{_file(node)}.record"

    # --- history and view -----------------------------------------------------------------------

    def append_history(self, entries: Sequence[dict[str, Any]]) -> None:
        """Add entries, dropping the oldest beyond the bound."""
        lines = [*self._history_lines(), *(encode_history(entry) for entry in entries)]
        write_record(self.history_file, b"\n".join(lines[-MOST_ENTRIES:]))

    def history(self) -> list[dict[str, Any]]:
        """All entries, the oldest first."""
        return [read_history(str(self.history_file), line) for line in self._history_lines()]

    def _history_lines(self) -> list[bytes]:
        found = read_record(self.history_file)
        return [] if found is None else [line for line in found[0].split(b"\n") if line]

    def view(self) -> View:
        """Everything at once."""
        return View(self.lock(), self.crumb(), self.control(), self.members())

    def folders(self) -> tuple[Path, ...]:
        """Where changes show."""
        return (self.base, self.sessions, self.members_folder)


def _file(name: str) -> str:
    """A name as a file's: no slash, no leading dot, and not one of a record beside it."""
    quoted = quote(name, safe=" @+:,=")
    quoted = "%2E" + quoted[1:] if quoted.startswith(".") else quoted
    return quoted[: -len(".record")] + "%2Erecord" if quoted.endswith(".record") else quoted
