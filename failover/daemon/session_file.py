"""`<state folder>/session.json`: what the next controller of this node needs to adopt this one's session.

Whoever reads it can have the session, and with it the lock: only its owner may. Written atomically, without fsync: the
folder is on tmpfs, and the file means nothing after a boot. Unknown here: what makes an adoption trustworthy.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from failover.core.values import Identity, Role
from failover.daemon.state_folder import StateFolderError
from failover.ports.store import SavedSession
from failover.runtime.adoption import MOST_ADOPTIONS, Kept
from failover.support.private_files import NotBelieved, read_private, write_private

NAME = "session.json"
REFUSED = "session.json.refused"
SCHEMA = 1
LARGEST = 16_384
ROLES = {"active": Role.ACTIVE, "standby": Role.STANDBY, "none": None}

log = logging.getLogger("failoverd")


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
            record = _load(self._path)
            return self._believe(record) if record is not None else Kept()
        except NotBelieved as refused:
            log.warning("%s is not used, and moved to %s: %s", self._path, REFUSED, refused)
        try:
            self._path.rename(self._path.with_name(REFUSED))
        except OSError as error:
            raise StateFolderError(f"{self._path} cannot be moved aside: {error.strerror}; remove it") from None
        return Kept()

    def write(self, kept: Kept) -> None:
        """Replace the file. One that cannot be written is removed; raises OSError where that fails too."""
        try:
            write_private(self._path, json.dumps(self._record(kept)).encode("ascii"), self._new)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            if not self._complained:
                self._complained = True
                log.error("%s cannot be written: %s; a restart now leads to a failover", self._path, error.strerror)

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
            raise NotBelieved(f"its schema is {record.get('schema')!r}, and this version reads {SCHEMA}")
        for name, value in self._about.items():
            if record.get(name) != value:
                raise NotBelieved(f"it was written under another {name}: {record.get(name)!r}, this is {value!r}")
        if not isinstance(record.get("role"), str) or record["role"] not in ROLES:
            raise NotBelieved("it does not say in which role")
        return Kept(
            session=_session(record.get("session")),
            role=ROLES[record["role"]],
            epoch=_number(record, "epoch"),
            czxid=_number(record, "lock"),
            version=_number(record, "breadcrumb"),
            adoptions=_times(record.get("adoptions")),
        )


def _load(path: Path) -> dict[str, Any] | None:
    """None: there is no file. Raises NotBelieved."""
    data = read_private(path, LARGEST)
    if data is None:
        return None
    try:
        record = json.loads(data.decode("ascii"))
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise NotBelieved("it does not hold a record")
    return record


def _session(value: object) -> SavedSession | None:
    if value is None:
        return None
    if isinstance(value, dict) and _is_hex(value.get("id"), 16) and _is_bytes(value.get("secret")):
        return SavedSession(value["id"], value["secret"])
    raise NotBelieved("its session is not one")


def _is_hex(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest and not set(value) - set("0123456789abcdef")


def _is_bytes(value: object) -> bool:
    return _is_hex(value, 256) and isinstance(value, str) and len(value) % 2 == 0


def _number(record: dict[str, Any], name: str) -> int:
    value = record.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < -1:
        raise NotBelieved(f"its {name} is not a number")
    return value


def _times(value: object) -> tuple[float, ...]:
    if isinstance(value, list) and len(value) <= MOST_ADOPTIONS and all(type(at) in (int, float) for at in value):
        return tuple(float(at) for at in value)
    raise NotBelieved("its adoptions are not a list of times")
