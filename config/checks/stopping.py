"""`on_stop: keep` where nothing could be kept for the next controller.

Knows what adoption needs; nothing of how it is done.
"""

from collections.abc import Iterator

from config.draft import Draft
from config.models import LocalSettings
from config.problems import Finding

KEY = ("on_stop",)


def stop_findings(draft: Draft) -> Iterator[Finding]:
    """Find a `keep` that would end in a failover."""
    if draft.on_stop != "keep":
        return
    if isinstance(draft.store, LocalSettings):
        yield Finding(
            KEY, "keep needs a store whose sessions outlive the controller, and local has none", "use handover"
        )
    if draft.control is not None and not draft.control.tells_role:
        yield Finding(KEY, "keep needs control.role: without it the next controller demotes what it finds", "")
