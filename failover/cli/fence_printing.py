"""How proofs, plans and strikes look on a terminal. Asks nobody and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from failover.cli import printing

View = dict[str, Any]
Say = Callable[[str], None]


def proofs(found: Iterable[View]) -> None:
    """Print what probes have found."""
    rows = [
        (one["node"], one["method"], one["proof"] or "never probed", _age(one), one["on_at"] or "never", _words(one))
        for one in found
    ]
    printing.table(("NODE", "METHOD", "PROOF", "AGE", "SAID ON", "DETAIL"), rows)


def _words(one: View) -> str:
    return str(one["quarantine"] or one["detail"])


def _age(one: View) -> str:
    return "" if one["age_s"] is None else f"{one['age_s']:.0f} s"


def plan(told: View, say: Say = printing.say) -> None:
    """Print a plan."""
    say(f"Fencing {told['node']} (machine {told['machine_id'] or 'not known'}, as {told['source']} has it)")
    say(f"Now: {told['now']}")
    for level in told["levels"]:
        say(f"Level {level['level']}" + (f": would not end the chain: {level['bar']}" if level["bar"] else ""))
        for method in level["methods"]:
            _method(method, say)
    say(f"Worst case: {told['worst_case_s']:.1f} s (the chain's own deadline is {told['timeout_s']:g} s)")
    _casualties(told, say)


def _method(method: View, say: Say) -> None:
    tries = "once" if method["attempts"] == 1 else f"up to {method['attempts']} times"
    say(f"  {method['method']}: {tries}, {method['timeout_s']:g} s each")
    for line in method["lines"]:
        say(f"    {line['name']}: {line['value']}")
    say(f"    proof: {_proof(method)}")
    tested = method["proof"]["tested_at"]
    if tested:
        say(f"    live test: {method['proof']['test']} at {tested}")


def _proof(method: View) -> str:
    proof = method["proof"]
    if proof["quarantine"]:
        return f"QUARANTINED: {proof['quarantine']}"
    if not method["traits"]["askable"]:
        return "cannot be probed: only as good as the operator's word"
    if proof["proof"] is None:
        return "none yet"
    age = "in an earlier boot of this host" if proof["age_s"] is None else f"{proof['age_s']:.0f} s ago"
    return f"{proof['proof']}, {age}: {proof['detail']}"


def _casualties(told: View, say: Say) -> None:
    power = any(method["traits"]["power"] for level in told["levels"] for method in level["methods"])
    if told["casualties"] is None:
        say("Other services on that machine: not known, the store does not answer")
    for one in told["casualties"] or ():
        verb = "goes down with it" if power else "goes down with it, if its power is taken"
        say(f"! {one['service']} is active on that machine, too (as {one['node']}, epoch {one['epoch']}): it {verb}")


def last_seen(told: View, cluster: View) -> None:
    """Print what was seen last of a node that is to be confirmed."""
    note = printing.note
    note(f"{told['node']}: {told['now']}")
    note(f"  machine-id {told['machine_id'] or 'not known'}, boot-id {told['boot_id'] or 'not known'}")
    note(f"  controller at {told['address'] or 'no known address'}")
    for name, value in sorted(told["facts"].items()):
        note(f"  {name}: {value}")
    member = next((one for one in cluster["members"] if one["node"] == told["node"]), None)
    if member is None:
        note("  no member record: its controller has no session with the store")
    else:
        note(f"  MEMBER RECORD: it is {member['role']} ({member['why']}), machine-id {member['machine_id']}")


def history(told: View) -> None:
    """Print what was fenced, tested and confirmed."""
    if told["history_error"]:
        printing.say(f"The service's history cannot be read: {told['history_error']}")
    elif told["history"]:
        rows = [[line.get(key, "") for key in ("at", "node", "event", "why")] for line in told["history"]]
        printing.table(("WHEN", "BY", "WHAT", "HOW IT ENDED"), rows)
    else:
        printing.say("Nothing was fenced, tested or confirmed yet.")
    if told["strikes"]:
        printing.say()
        keys = ("at", "target", "level", "method", "number", "verdict", "took_s", "detail")
        rows = [[one[key] for key in keys] for one in told["strikes"]]
        printing.table(("WHEN", "NODE", "LEVEL", "METHOD", "TRY", "VERDICT", "SECONDS", "DETAIL"), rows)
