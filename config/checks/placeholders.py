"""The placeholders of fence methods can be filled in for every node.

Knows nothing of who will be fenced.
"""

from collections.abc import Iterator

from config.draft import Draft
from config.placeholders import ALWAYS_KNOWN, known_for, used_in
from config.problems import Finding, did_you_mean


def placeholder_findings(draft: Draft) -> Iterator[Finding]:
    """Find placeholders that are unknown, or that some node has no fact for."""
    if draft.fencing is None or draft.nodes is None:
        return
    for name, method in draft.fencing.methods.items():
        for keys, texts in method.templates.items():
            for placeholder in used_in(texts):
                reason = _reason(draft, placeholder)
                if reason:
                    yield Finding(("fencing", "methods", name, *keys), *reason)


def _reason(draft: Draft, placeholder: str) -> tuple[str, str] | None:
    nodes = draft.nodes or {}
    known = known_for({fact for facts in nodes.values() for fact in facts})
    if placeholder not in known:
        guess = did_you_mean(placeholder, known)
        listed = "known: " + ", ".join(f"{{{name}}}" for name in known)
        return f"unknown placeholder {{{placeholder}}}", f"{guess} {listed}".strip()
    fact = placeholder.partition(".")[2]
    without = [name for name, facts in nodes.items() if fact not in facts]
    if not without or fact in ALWAYS_KNOWN:
        return None
    message = f"{{{placeholder}}} cannot be filled in for {', '.join(without)}"
    return message, f"give each node the fact {fact}"
