"""The placeholders of fence methods can be filled in for every node.

Knows nothing of who will be fenced.
"""

from collections.abc import Iterator

from config.draft import Draft
from config.models.fencing import AgentMethodSettings, CommandMethodSettings, MethodSettings, SshMethodSettings
from config.placeholders import ALWAYS_KNOWN, known_for, used_in
from config.problems import Finding, KeyPath, did_you_mean


def placeholder_findings(draft: Draft) -> Iterator[Finding]:
    """Find placeholders that are unknown, or that some node has no fact for."""
    if draft.fencing is None or draft.nodes is None:
        return
    for name, method in draft.fencing.methods.items():
        for where, argv in _texts_of(method):
            for placeholder in used_in(argv):
                reason = _reason(draft, placeholder)
                if reason:
                    yield Finding(("fencing", "methods", name, *where), *reason)


def _texts_of(method: MethodSettings) -> Iterator[tuple[KeyPath, tuple[str, ...]]]:
    """What is filled in before a strike, and where it stands."""
    if isinstance(method, CommandMethodSettings):
        yield ("run",), method.run
    elif isinstance(method, AgentMethodSettings):
        for option, value in method.options.items():
            if isinstance(value, (str, tuple)):
                yield ("options", option), value if isinstance(value, tuple) else (value,)
    elif isinstance(method, SshMethodSettings):
        yield ("address",), (method.address,)
        yield ("run",), method.run or ()


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
