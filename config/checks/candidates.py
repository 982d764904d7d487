"""What says who goes first, where nothing could be said.

Knows the keys; the order itself is the core's.
"""

from collections.abc import Iterator

from config.draft import Draft
from config.problems import Finding


def candidate_findings(draft: Draft) -> Iterator[Finding]:
    """Find a `max_lag` of a service whose position nobody can tell: it would bar every node for ever."""
    if draft.max_lag is not None and draft.control is not None and draft.control.position is None:
        hint = "add control.position: {run: …}, which prints a number, or remove max_lag"
        yield Finding(("max_lag",), "there is no position to compare", hint)
