"""The static part of a fencing check: levels in order, what can be proven and how, the worst case. Asks no device."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from config.loading import Examined
from config.models import Config
from config.models.fencing import BLOCKING_KINDS
from config.timing import longest_fence_s, longest_method_s
from failover.cli import printing

FENCING = "fencing"


def checked(path: Path, examined: Examined) -> dict[str, Any]:
    """Everything that is said, for programs."""
    config = examined.config
    found = [problem for problem in examined.problems if config is None or problem.path.startswith(FENCING)]
    problems = [{**asdict(problem), "said": str(problem)} for problem in found]
    told: dict[str, Any] = {"file": str(path), "ok": config is not None, "problems": problems, "levels": []}
    if config is None:
        return told
    fencing = config.fencing
    every = fencing.probe.every if fencing.probe is not None else None
    levels = [[_method(config, name) for name in level] for level in fencing.levels]
    return {
        **told,
        "levels": levels,
        "timeout_s": fencing.timeout,
        "worst_case_s": round(longest_fence_s(fencing), 3),
        "probe_every_s": every,
    }


def _method(config: Config, name: str) -> dict[str, Any]:
    method = config.fencing.methods[name]
    return {
        "method": name,
        "kind": method.kind,
        "attempts": method.attempts,
        "timeout_s": method.timeout,
        "worst_s": round(longest_method_s(method), 3),
        "needs_the_nodes_help": method.kind in BLOCKING_KINDS,
        "proof": _proof(method),
    }


def _proof(method: Any) -> str:
    """How it is known before it is needed that the method works."""
    if method.kind == "command":
        if method.status is not None:
            return "its status command must say ON while the node lives, and OFF after a strike"
        return "none: exit 0 of its command is believed; add a status command, or test it live"
    if method.kind == "manual":
        return "none: an operator must look"
    if method.kind == "epoch":
        return "none: the operator's word, given as `because`"
    if method.kind == "watchdog_wait":
        return "what the node has published in its breadcrumb"
    return "the device is asked while the node lives"


def show(told: dict[str, Any]) -> None:
    """For people."""
    for problem in told["problems"]:
        printing.say(problem["said"])
    if not told["ok"]:
        return
    for number, level in enumerate(told["levels"], 1):
        printing.say(f"Level {number}" + (" (every method must answer done)" if len(level) > 1 else ""))
        for one in level:
            tries = "" if one["attempts"] == 1 else f" × {one['attempts']}"
            help_ = "; useless against a host without power" if one["needs_the_nodes_help"] else ""
            printing.say(f"  {one['method']} ({one['kind']}): {one['timeout_s']:g} s{tries}{help_}")
            printing.say(f"    proof: {one['proof']}")
    printing.say(f"Worst case: {told['worst_case_s']:g} s (the chain's own deadline is {told['timeout_s']:g} s)")
    every = told["probe_every_s"]
    told_every = (
        "only when asked: write fencing.probe to prove it on a schedule" if every is None else f"every {every:g} s"
    )
    printing.say(f"Probed: {told_every}")
