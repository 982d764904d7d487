"""Where the records of one service live in ZooKeeper, with ZKFC's own names for lock and breadcrumb (design §4)."""

from __future__ import annotations

from urllib.parse import quote, unquote

CHILDREN = ("control", "history", "members", "sessions")


class Paths:
    """All paths below `<root>/<service>`."""

    def __init__(self, root: str, service: str) -> None:
        self.root = root.rstrip("/")
        self.step = _step(service)
        self.base = f"{self.root}/{self.step}"
        self.lock = f"{self.base}/ActiveStandbyElectorLock"
        self.crumb = f"{self.base}/ActiveBreadCrumb"
        self.control = f"{self.base}/control"
        self.history = f"{self.base}/history"
        self.members = f"{self.base}/members"
        self.sessions = f"{self.base}/sessions"

    def session(self, session: str) -> str:
        """The ephemeral record that only this session can have made: transactions check it (S2)."""
        return f"{self.sessions}/{session}"

    def member(self, node: str) -> str:
        """The member record of the node of this name."""
        return f"{self.members}/{_step(node)}"

    def beside(self, step: str) -> Paths:
        """Those of another service, by its name as ZooKeeper has it."""
        return Paths(self.root, unquote(step))

    def child(self, parent: str, name: str) -> str:
        """A child as ZooKeeper names it."""
        return f"{parent}/{name}"


def _step(name: str) -> str:
    """A name as one step of a path: a slash or a lone dot in it would lead elsewhere."""
    quoted = quote(name, safe=" @+:,=")
    return quoted.replace(".", "%2E") if quoted in {".", ".."} else quoted


def session_name(session_id: int) -> str:
    """ZooKeeper's session id in hex, as its own tools print it."""
    return format(session_id % 2**64, "x")


def session_number(name: str) -> int:
    """The signed number that `session_name` made the name of. Raises ValueError."""
    number = int(name, 16)
    return number - 2**64 if number >= 2**63 else number
