"""What an agent's answers mean. Exit codes decide; its words are only translated for people.

`status`: 0 ON, 2 OFF, anything else: not known. All of an agent's failures share exit code 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from config.agent_values import masked
from failover.support.command import Outcome

LONGEST = 300
_PREFIX = re.compile(r"^[0-9]{4}-[0-9-]+ [0-9:,]+ [A-Z]+: |^(ERROR|WARNING)(:root)?: ?")
_NOISE = re.compile(r"DeprecationWarning|^\s*(from|import) |Traceback|Please use '-h' for usage|^\s*File \"|^\s*$")
_MEANING: tuple[tuple[str, str], ...] = (
    (r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|SSLError", "its certificate is not trusted (see ca)"),
    (r"Unable to obtain correct plug status", "it gives no status: a wrong user or password, or there is no such plug"),
    (r"Unable to connect/login", "login refused, or it does not answer"),
    (r"Unable to get PowerState|Unauthorized|\b401\b", "the question was refused: wrong user or password, or system"),
    (r"[Cc]onnection refused", "it refuses the connection: wrong address or port, or its service is down"),
    (r"No route to host|Network is unreachable", "there is no route to it"),
    (r"Name or service not known|Temporary failure in name resolution", "its name is not known"),
    (r"Timeout: No Response|No Response from", "it does not answer: wrong address or community, or it is down"),
    (r"Timed out waiting to power OFF", "it took the order, but the power has stayed on"),
    (r"Timed out waiting to power ON", "it took the order, but the power has stayed off"),
    (r"[Cc]onnection timed out|timed out", "it does not answer"),
    (r"command not found|No such file or directory|Utility .* not found", "a program that the agent needs is missing"),
)


class Power(Enum):
    """What the device says of the node."""

    ON = "ON"
    OFF = "OFF"
    SOME = "ON in part"
    UNKNOWN = "not known"


def power_of(outcome: Outcome | None) -> Power:
    """What `status` answered."""
    if outcome is None or not outcome.ended:
        return Power.UNKNOWN
    return {0: Power.ON, 2: Power.OFF}.get(-1 if outcome.exit_code is None else outcome.exit_code, Power.UNKNOWN)


def power_of_all(outcomes: Sequence[Outcome]) -> Power:
    """What `status` answered for each plug: OFF only if all are, and known only if each one is."""
    powers = {power_of(outcome) for outcome in outcomes}
    if len(powers) == 1:
        return powers.pop()
    return Power.UNKNOWN if Power.UNKNOWN in powers or not powers else Power.SOME


def words_of(outcome: Outcome, limit_s: float, secrets: frozenset[str]) -> str:
    """How it ended, for people: bounded, every secret masked. `limit_s`: the deadline that it had."""
    if not outcome.started:
        return masked(f"the agent could not be started: {outcome.error}", secrets)[:LONGEST]
    if outcome.timed_out:
        stuck = "; it still runs 2 s after SIGKILL" if outcome.unstoppable else ""
        return f"no answer in {limit_s:.3g} s: the agent was killed{stuck}"
    said = _said(masked(outcome.errors, secrets)) or _said(masked(outcome.output, secrets))
    ending = f"exit {outcome.exit_code}" if outcome.exit_code is not None else f"signal {outcome.signal}"
    for pattern, meaning in _MEANING:
        if outcome.exit_code != 0 and re.search(pattern, f"{outcome.errors}\n{outcome.output}"):
            return f'{meaning} ({ending}, "{said}")'[:LONGEST]
    return (f'{ending}, "{said}"' if said else ending)[:LONGEST]


def plugs_of(outcome: Outcome, separator: str = ",") -> list[tuple[str, str]] | None:
    """Each plug and its alias, from `list`; None: it did not tell."""
    if not outcome.ended or outcome.exit_code != 0:
        return None
    rows = [line.split(separator) for line in outcome.output.splitlines() if separator in line]
    return [(row[0].strip(), row[1].strip()) for row in rows if row[0].strip()]


def listed(plugs: list[tuple[str, str]]) -> str:
    """The plugs in few words: `1-8`."""
    names = [plug for plug, _ in plugs]
    if len(names) > 2 and all(name.isascii() and name.isdigit() for name in names):
        numbers = sorted(map(int, names))
        if numbers == list(range(numbers[0], numbers[-1] + 1)):
            return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(name[:40] for name in names[:8]) + (", …" if len(names) > 8 else "") or "it is empty"


def _said(text: str) -> str:
    lines = [_PREFIX.sub("", line).strip() for line in text.splitlines() if not _NOISE.search(line)]
    return next((line for line in reversed(lines) if line), "")[:160]
