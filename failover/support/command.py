"""A command to run and how it ended, as values.

Knows nothing of how it is run, nor of what its verdict is good for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from failover.core.values import Verdict

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: `argv` without a shell, the whole `env`, `timeout_s` seconds from the call of `run`.

    `name` says what it is for (`promote`, `role`): in the record on disk, in logs, and for `Launcher.alive`.
    `split` keeps standard errors apart, for a command whose output is an answer. `whole_tree`: what it started ends
    with it even where that left its session (fence agents: an ssh of theirs would go on switching); other hooks may
    leave a service behind.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    timeout_s: float
    name: str
    stdin: bytes = field(default=b"", repr=False)  # a fence agent gets its passwords there
    cwd: str = "/"
    split: bool = False
    whole_tree: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended. `output`: both streams as they came, bounded (`errors`: the second one, where split).

    `started` False: it never ran, `error` says why. `unstoppable`: something of it lived on 2 s after SIGKILL (S4).
    """

    exit_code: int | None = None
    signal: int | None = None
    timed_out: bool = False
    unstoppable: bool = False
    output: str = ""
    errors: str = ""
    started: bool = True
    error: str = ""

    @property
    def ended(self) -> bool:
        """It ran, came to an end of its own in time, and left nothing behind."""
        return self.started and not (self.timed_out or self.unstoppable or self.error)

    @property
    def verdict(self) -> Verdict:
        """Exit 0 is done, 1 is not done; a signal, a time-out and all else are unknown (S5)."""
        if not self.ended:
            return Verdict.UNKNOWN
        return {0: Verdict.DONE, 1: Verdict.NOT_DONE}.get(
            -1 if self.exit_code is None else self.exit_code, Verdict.UNKNOWN
        )

    def describe(self) -> str:
        """How it ended in a few words, with the last line it wrote, for logs and the history."""
        lines = (self.errors.strip() or self.output.strip()).splitlines()
        said = f": {lines[-1].strip()}" if lines else ""
        return f"{self._ending()}{said}"[:LONGEST_DETAIL]

    def _ending(self) -> str:
        if not self.started:
            return f"could not be started: {self.error}"
        words = [self.error] if self.error else []
        if self.timed_out:
            words.append("ended at its deadline")
        elif self.signal is not None:
            words.append(f"ended by signal {self.signal}")
        elif self.exit_code is not None:
            words.append(f"exit {self.exit_code}")
        if self.unstoppable:
            words.append("could not be ended: it still runs 2 s after SIGKILL")
        return ", ".join(words) or "no exit code"


def hook_environment(facts: Mapping[str, str]) -> dict[str, str]:
    """The environment of a hook: little of the controller's own, and `facts` (FAILOVER_…).

    Little, because a hook must not work by hand and fail in the daemon, or the other way round.
    """
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment.setdefault("PATH", DEFAULT_PATH)
    environment.setdefault("LANG", "C.UTF-8")
    return environment | {name: value.replace("\0", "") for name, value in facts.items()}
