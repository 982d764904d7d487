"""`<state folder>/session.json`: what the next controller of this node needs to adopt this one's session.

Whoever reads it can have the session, and with it the lock: only its owner may. Written atomically, without fsync: the
folder is on tmpfs, and the file means nothing after a boot. Unknown here: what makes an adoption trustworthy.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import stat
from pathlib import Path
from typing import Any

from failover.core.values import Identity, Role
from failover.daemon.state_folder import StateFolderError
from failover.ports.store import SavedSession
from failover.runtime.adoption import MOST_ADOPTIONS, Kept

NAME = "session.json"
REFUSED = "session.json.refused"
SCHEMA = 1
LARGEST = 16_384
ROLES = {"active": Role.ACTIVE, "standby": Role.STANDBY, "none": None}

log = logging.getLogger("failoverd")


class _Refused(Exception):
    """The file is not to be believed; the text says why."""


class SessionFile:
    """The file of one service on one node."""

    def __init__(self, folder: Path, service: str, identity: Identity) -> None:
        self._path = folder / NAME
        self._new = folder / f"{NAME}.new"
        self._about = {
            "service": service,
            "node": identity.node.name,
            "machine_id": identity.node.machine_id,
            "boot_id": identity.boot_id,
        }
        self._complained = False

    def read(self) -> Kept:
        """What the last controller has left. What is not to be believed is moved aside. Raises StateFolderError."""
        try:
            return self._believe(_load(self._path))
        except FileNotFoundError:
            return Kept()
        except _Refused as refused:
            log.warning("%s is not used, and moved to %s: %s", self._path, REFUSED, refused)
        try:
            self._path.rename(self._path.with_name(REFUSED))
        except OSError as error:
            raise StateFolderError(f"{self._path} cannot be moved aside: {error.strerror}; remove it") from None
        return Kept()

    def write(self, kept: Kept) -> None:
        """Replace the file. One that cannot be written is removed; raises OSError where that fails too."""
        try:
            self._replace(json.dumps(self._record(kept)).encode("ascii"))
        except OSError as error:
            self._path.unlink(missing_ok=True)
            if not self._complained:
                self._complained = True
                log.error("%s cannot be written: %s; a restart now leads to a failover", self._path, error.strerror)

    def _replace(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with contextlib.suppress(FileNotFoundError):
            self._new.unlink()
        fd = os.open(self._new, flags, 0o600)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)
        self._new.rename(self._path)

    def _record(self, kept: Kept) -> dict[str, Any]:
        session = kept.session
        return {
            "schema": SCHEMA,
            **self._about,
            "session": {"id": session.id, "secret": session.secret} if session is not None else None,
            "role": kept.role.value if kept.role is not None else "none",
            "epoch": kept.epoch,
            "lock": kept.czxid,
            "breadcrumb": kept.version,
            "adoptions": list(kept.adoptions),
        }

    def _believe(self, record: dict[str, Any]) -> Kept:
        if record.get("schema") != SCHEMA:
            raise _Refused(f"its schema is {record.get('schema')!r}, and this version reads {SCHEMA}")
        for name, value in self._about.items():
            if record.get(name) != value:
                raise _Refused(f"it was written under another {name}: {record.get(name)!r}, this is {value!r}")
        if not isinstance(record.get("role"), str) or record["role"] not in ROLES:
            raise _Refused("it does not say in which role")
        return Kept(
            session=_session(record.get("session")),
            role=ROLES[record["role"]],
            epoch=_number(record, "epoch"),
            czxid=_number(record, "lock"),
            version=_number(record, "breadcrumb"),
            adoptions=_times(record.get("adoptions")),
        )


def _load(path: Path) -> dict[str, Any]:
    """Raises FileNotFoundError or _Refused."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _Refused(f"it cannot be opened: {error.strerror}") from None
    try:
        _look_at_owner(os.fstat(fd))
        data = os.read(fd, LARGEST + 1)
    finally:
        os.close(fd)
    try:
        record = json.loads(data[: LARGEST + 1].decode("ascii")) if len(data) <= LARGEST else None
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise _Refused("it does not hold a record")
    return record


def _look_at_owner(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise _Refused("it is not a file of its own")
    if found.st_uid != os.geteuid():
        raise _Refused(f"it belongs to user {found.st_uid}, and this controller runs as {os.geteuid()}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise _Refused(f"others may read or write it (mode {stat.S_IMODE(found.st_mode):04o}, it was made with 0600)")


def _session(value: object) -> SavedSession | None:
    if value is None:
        return None
    if isinstance(value, dict) and _is_hex(value.get("id"), 16) and _is_bytes(value.get("secret")):
        return SavedSession(value["id"], value["secret"])
    raise _Refused("its session is not one")


def _is_hex(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest and not set(value) - set("0123456789abcdef")


def _is_bytes(value: object) -> bool:
    return _is_hex(value, 256) and isinstance(value, str) and len(value) % 2 == 0


def _number(record: dict[str, Any], name: str) -> int:
    value = record.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < -1:
        raise _Refused(f"its {name} is not a number")
    return value


def _times(value: object) -> tuple[float, ...]:
    if isinstance(value, list) and len(value) <= MOST_ADOPTIONS and all(type(at) in (int, float) for at in value):
        return tuple(float(at) for at in value)
    raise _Refused("its adoptions are not a list of times")
