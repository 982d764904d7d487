"""The fence chain names real methods, is able to fence, and has the time to.

Knows nothing of how a method fences.
"""

from collections.abc import Iterator

from config.commands import always_succeeds
from config.draft import Draft
from config.durations import format_duration
from config.models.fencing import BLOCKING_KINDS, CommandMethodSettings, FencingSettings
from config.problems import Finding, KeyPath, did_you_mean

METHODS: KeyPath = ("fencing", "methods")
LEVELS: KeyPath = ("fencing", "levels")


def fencing_findings(draft: Draft) -> Iterator[Finding]:
    """Find chains that could not fence, or would only say so (S5, S7)."""
    if draft.fencing is None:
        return
    yield from _levels(draft.fencing, draft.broken_methods)
    yield from _empty_promises(draft.fencing)
    if not draft.broken_methods:
        yield from _blocking(draft.fencing)
    yield from _deadlines(draft.fencing)
    yield from _patience(draft)


def _levels(fencing: FencingSettings, broken: frozenset[str]) -> Iterator[Finding]:
    names = {*fencing.methods, *broken}
    if not fencing.levels and not broken:
        yield Finding(LEVELS, "a chain without any method could never fence", "name a method")
    for number, level in enumerate(fencing.levels):
        if not level:
            yield Finding((*LEVELS, number), "an empty level", "name a method, or remove it")
        for place, name in enumerate(level):
            if name not in names:
                known = f"methods: {', '.join(sorted(names))}"
                hint = did_you_mean(name, names) or known
                yield Finding((*LEVELS, number, place), f'no method "{name}"', hint)
            elif name in level[:place]:
                yield Finding((*LEVELS, number, place), f'"{name}" stands twice in one level')
    used = {name for level in fencing.levels for name in level}
    for name in fencing.methods:
        if fencing.levels and name not in used:
            message, hint = "no level names this method: it is never tried", "add it to levels"
            yield Finding((*METHODS, name), message, hint, severity="warning", at_key=True)


def _empty_promises(fencing: FencingSettings) -> Iterator[Finding]:
    for name, method in fencing.methods.items():
        if isinstance(method, CommandMethodSettings) and always_succeeds(method.run):
            message = "this command always succeeds: it would say done and fence nothing"
            hint = "run something that makes certain the node is gone"
            yield Finding((*METHODS, name, "run"), message, hint)


def _blocking(fencing: FencingSettings) -> Iterator[Finding]:
    used = {name for level in fencing.levels for name in level if name in fencing.methods}
    if fencing.accept_blocking or not used:
        return
    # A level counts as able only if every method in it can do without the node's own help.
    able = any(level and all(_kind(fencing, name) not in BLOCKING_KINDS for name in level) for level in fencing.levels)
    if not able:
        kinds = " and ".join(sorted({_kind(fencing, name) for name in used} & BLOCKING_KINDS))
        message = f"every level needs {kinds}: a host without power could never be fenced"
        hint = "add a level that needs no answer from it, or write accept_blocking: true"
        yield Finding(("fencing",), message, hint, at_key=True)


def _kind(fencing: FencingSettings, name: str) -> str:
    return fencing.methods[name].kind if name in fencing.methods else ""


def _deadlines(fencing: FencingSettings) -> Iterator[Finding]:
    whole = format_duration(fencing.timeout)
    longest_s = 0.0
    for name, method in fencing.methods.items():
        longest_s = max(longest_s, method.timeout)
        if method.timeout > fencing.timeout:
            message = f"longer than the whole chain's timeout, {whole}"
            yield Finding((*METHODS, name, "timeout"), message, "shorten it, or give the chain more")
    named = [fencing.methods[name] for level in fencing.levels for name in level if name in fencing.methods]
    total_s = sum(method.attempts * method.timeout for method in named)
    if longest_s <= fencing.timeout < total_s:
        message = f"all methods together may take {format_duration(total_s)}, longer than {whole}"
        hint = "the last of them may not get their turn"
        yield Finding(("fencing", "timeout"), message, hint, severity="warning")


def _patience(draft: Draft) -> Iterator[Finding]:
    if draft.fencing is None or draft.control is None:
        return
    demote_s = draft.control.demote.timeout
    for name, method in draft.fencing.methods.items():
        if method.kind == "controller" and method.timeout < demote_s:
            message = f"gives up before the demote it asks for ({format_duration(demote_s)})"
            hint = f"write timeout: {format_duration(demote_s + 1)} or more"
            path = (*METHODS, name, "timeout")
            yield Finding(path, message, hint, severity="warning")
