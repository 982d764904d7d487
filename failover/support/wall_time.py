"""Wall times as the records have them, for people and for what they have set a time to. No safety rule rests on one."""

from __future__ import annotations

from datetime import datetime


def at_s(iso: str) -> float | None:
    """Seconds since 1970; None: it cannot be read, since somebody edited the record, or it is not set."""
    try:
        return datetime.fromisoformat(iso).timestamp()
    except ValueError:
        return None
