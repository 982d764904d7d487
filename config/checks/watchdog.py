"""Self-fencing that could not keep its promise, and waits that rely on none.

Knows the arithmetic from `config.self_fencing`; no device.
"""

from collections.abc import Iterator

from config.draft import Draft
from config.durations import format_duration
from config.models import ZooKeeperSettings
from config.models.watchdog import WatchdogSettings
from config.problems import Finding, KeyPath
from config.timing import RENEWALS_PER_SESSION, promise_of

WATCHDOG: KeyPath = ("watchdog",)
MOST_PETS = 3  # in a time-out: two may be lost


def watchdog_findings(draft: Draft) -> Iterator[Finding]:
    """Find what would make the dog's promise, or a wait for it, empty."""
    settings = draft.watchdog
    if settings is not None and settings.mode != "off":
        yield from _promises(draft, settings)
    yield from _waits(draft)


def _promises(draft: Draft, settings: WatchdogSettings) -> Iterator[Finding]:
    if draft.on_store_loss == "hold":
        message = "a watchdog resets a node that cannot prove its lock, and on_store_loss: hold would keep it active"
        yield Finding(WATCHDOG, message, "write on_store_loss: step_down, or mode: off", at_key=True)
    if settings.timeout != int(settings.timeout) or settings.timeout < 1:
        yield Finding((*WATCHDOG, "timeout"), "the kernel counts whole seconds", "write 1s or more, in whole seconds")
    if draft.store is None:
        return
    if not isinstance(draft.store, ZooKeeperSettings):
        message = f"store {draft.store.kind} is on this host only: no renewal there proves a lock to anybody else"
        yield Finding(WATCHDOG, message, "use it with zookeeper, or write mode: off", at_key=True)
        return
    yield from _paces(draft.store, settings)
    if settings.mode == "required" and not _waiting(draft):
        yield from _without_a_wait(draft.store, settings)


def _paces(store: ZooKeeperSettings, settings: WatchdogSettings) -> Iterator[Finding]:
    every_s = store.session_timeout / RENEWALS_PER_SESSION
    every = format_duration(round(every_s, 3))
    if every_s > settings.timeout / MOST_PETS + 1e-9:
        longer = format_duration(float(-(-every_s * MOST_PETS // 1)))
        shorter = format_duration(settings.timeout / MOST_PETS * RENEWALS_PER_SESSION)
        message = f"it is fed every {every}, a third of {format_duration(settings.timeout)} at most would be safe"
        yield Finding((*WATCHDOG, "timeout"), message, f"safe would be: {longer} or more, or a session <= {shorter}")
    age_s = settings.lease_max_age
    if age_s is not None and every_s > age_s / 2 + 1e-9:
        message = f"renewals go out every {every}: one that is late by as much again would not feed the dog"
        yield Finding((*WATCHDOG, "lease_max_age"), message, f"write {format_duration(round(2 * every_s, 3))} or more")


def _without_a_wait(store: ZooKeeperSettings, settings: WatchdogSettings) -> Iterator[Finding]:
    """Nobody relies on the dog then but the operator, who should know that it may come too late."""
    session_s, tick_s = store.session_timeout, store.tick_time
    every_s = session_s / RENEWALS_PER_SESSION
    promise = promise_of(settings, session_s)
    if promise.no_wait(session_s, every_s, tick_s):
        return
    ways = []
    shorter = promise.longest_watchdog_s(session_s, every_s, tick_s)
    if shorter >= every_s * MOST_PETS:
        ways.append(f"timeout <= {shorter}s")
    longest = _session_for(settings, tick_s)
    if longest:
        ways.append(f"session_timeout >= {longest}s")
    message = (
        f"the host may live {promise.down_s:.3g}s after its last renewal, its lock may be gone after "
        f"{max(0.0, session_s - every_s - tick_s):.3g}s: "
        "the dog alone does not keep two actives apart"
    )
    ways.append("a level with kind: watchdog_wait")
    yield Finding((*WATCHDOG, "timeout"), message, f"safe would be: {', or '.join(ways)}", severity="warning")


def _session_for(settings: WatchdogSettings, tick_s: float) -> int:
    for session_s in range(1, 3600):
        every_s = session_s / RENEWALS_PER_SESSION
        if every_s * MOST_PETS > settings.timeout:
            return 0
        if promise_of(settings, float(session_s)).no_wait(float(session_s), every_s, tick_s):
            return session_s
    return 0


def _waiting(draft: Draft) -> list[str]:
    methods = draft.fencing.methods.items() if draft.fencing else ()
    return [name for name, method in methods if method.kind == "watchdog_wait"]


def _waits(draft: Draft) -> Iterator[Finding]:
    for name in _waiting(draft):
        path: KeyPath = ("fencing", "methods", name)
        if draft.on_store_loss == "hold":
            message = "waits for a node that has promised to step down, and on_store_loss: hold promises nothing"
            yield Finding(path, message, "write on_store_loss: step_down", at_key=True)
        settings = draft.watchdog
        if not draft.watchdog_stands:
            continue
        if settings is None or settings.mode != "required":
            message = "waits for a watchdog that the nodes need not have"
            yield Finding(path, message, "add watchdog: {mode: required} to the file of every node", at_key=True)
        elif isinstance(draft.store, ZooKeeperSettings) and draft.fencing is not None:
            wait_s = promise_of(settings, draft.store.session_timeout).wait_s
            limit_s = min(draft.fencing.methods[name].timeout, draft.fencing.timeout)
            if wait_s > limit_s:
                message = (
                    f"the wait is {wait_s:.1f} s, and it has only {format_duration(limit_s)}: it would never be done"
                )
                yield Finding(
                    path, message, "give the method, and the chain, more; or shorten watchdog.timeout", at_key=True
                )
