"""How a session joins on this host, or why it may not (S9).

Deliberately unknown here: threads.
"""

from __future__ import annotations

from failover.core.events import Event, SessionOpened, SessionRefused
from failover.core.values import Member, Session
from failover.stores.codec import RecordError
from failover.stores.local.files import FlockFile
from failover.stores.local.folder import ServiceFolder
from failover.stores.local.session import LocalSession

SESSION_TIMEOUT_S = 10.0  # nothing expires here; what a lease is reckoned with
NOT_JOINED, NOT_FORMATTED = 1, 3


def join(folder: ServiceFolder, member: Member, id_: str) -> tuple[Event, LocalSession | None] | None:
    """The answer, with the session if it was SessionOpened; None: an earlier session of this node still lives."""
    try:
        return _join(folder, member, id_)
    except PermissionError as error:
        return SessionRefused(f"{folder.base} may not be used: {error}", NOT_JOINED), None


def _join(folder: ServiceFolder, member: Member, id_: str) -> tuple[Event, LocalSession | None] | None:
    if not folder.formatted():
        why = f"{folder.base} is not formatted: run `failoverctl format CONFIG`"
        return SessionRefused(why, NOT_FORMATTED), None
    with folder.mutex.held():
        held = FlockFile(folder.session_file(member.node.name))
        if not held.try_to_hold():
            held.close()
            return _judge_namesake(folder, member)
        return _joined(folder, member, LocalSession(folder, id_, member.node, held))


def _joined(folder: ServiceFolder, member: Member, session: LocalSession) -> tuple[Event, LocalSession | None]:
    try:
        folder.write_session(member.node, session.id)
        folder.write_member(member)
        opened = SessionOpened(Session(session.id, SESSION_TIMEOUT_S), folder.control(), folder.members())
    except OSError:
        session.abandon()
        raise
    return opened, session


def _judge_namesake(folder: ServiceFolder, member: Member) -> tuple[Event, LocalSession | None] | None:
    name, mine = member.node.name, member.node.machine_id
    try:
        owner = folder.owner(name)
    except RecordError as error:
        return SessionRefused(f"another controller is called {name}: {error}", NOT_JOINED), None
    if owner is None or owner.machine_id == mine:
        return None
    why = (
        f"another controller is called {name}, on the machine with id {owner.machine_id} (this one's is"
        f" {mine}); give each host a name and a machine-id of its own, or stop the other one"
    )
    return SessionRefused(why, NOT_JOINED), None
