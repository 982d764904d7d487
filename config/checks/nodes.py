"""This node is one of the nodes.

Knows nothing of what the facts are for.
"""

from collections.abc import Iterator

from config.draft import Draft
from config.problems import Finding


def node_findings(draft: Draft) -> Iterator[Finding]:
    """Find an own name that `nodes` does not have."""
    if draft.node is None or not draft.nodes or draft.node in draft.nodes:
        return
    message = f'"{draft.node}" is not in nodes'
    yield Finding(("node",), message, f"write one of these: {', '.join(draft.nodes)}")
