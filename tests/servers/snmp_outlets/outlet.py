"""The outlets of a power distribution unit, run by snmpsim as its variation module `outlet` (see `tests.servers.snmp`).

In the folder that is its option: `delay` (seconds until it answers), `stuck` (every order is taken, and nothing
happens), `off-N`, `kills-N` (pid files, one a line, whose processes lose power with outlet N), `orders` (each order).
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

from snmpsim.grammar.snmprec import SnmprecGrammar

ON, OFF = 1, 2
STATE = [Path()]


def init(**context: Any) -> None:
    """Called once, by snmpsim."""
    STATE[0] = Path(context["options"])


def variate(oid: Any, tag: str, value: str, **context: Any) -> tuple[Any, str, Any]:
    """One question, or one order, to one outlet: the last number of the OID."""
    if not context["nextFlag"] and not context["exactMatch"]:
        return context["origOid"], tag, context["errorStatus"]
    outlet = int(oid[-1])
    delay = STATE[0] / "delay"
    time.sleep(float(delay.read_text()) if delay.exists() else 0)
    if context["setFlag"]:
        switch(outlet, int(context["origValue"]))
        return oid, tag, context["origValue"]
    return oid, tag, SnmprecGrammar.TAG_MAP[tag.split(":")[0]](OFF if (STATE[0] / f"off-{outlet}").exists() else ON)


def switch(outlet: int, wanted: int) -> None:
    """The power goes before anybody is told so."""
    with (STATE[0] / "orders").open("a") as orders:
        orders.write(f"{outlet} {'off' if wanted == OFF else 'on'}\n")
    if (STATE[0] / "stuck").exists():
        return
    if wanted == ON:
        (STATE[0] / f"off-{outlet}").unlink(missing_ok=True)
        return
    kills = STATE[0] / f"kills-{outlet}"
    for path in kills.read_text().split() if kills.exists() else ():
        try:
            os.kill(int(Path(path).read_text()), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            continue
    (STATE[0] / f"off-{outlet}").touch()


def shutdown(**context: Any) -> None:
    """Called at the end, by snmpsim."""
