"""`python -m tests.bench [--json] [--quick] [--runs N]`: exit 0 when all was measured, met or not; 1 otherwise."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

import httpx
from kazoo.exceptions import KazooException
from rich.console import Console

from tests.bench.figures import as_record
from tests.bench.report import show
from tests.bench.run import CannotMeasure, measure
from tests.servers.process import ServerStartError

FAILURES = (
    AssertionError,
    CannotMeasure,
    KazooException,
    LookupError,
    OSError,  # TimeoutError too
    RuntimeError,
    ServerStartError,
    httpx.HTTPError,
    subprocess.SubprocessError,
)
RUNS = 30
IDLE_S = 20.0


def main() -> int:
    """Measure, and print; progress goes to standard error."""
    parser = argparse.ArgumentParser(prog="tests.bench", description="Failovers against the store's own floor.")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each, but at most 10 lost hosts (default 30)")
    parser.add_argument("--idle-s", type=float, default=IDLE_S, help="seconds of idleness (default 20)")
    parser.add_argument("--quick", action="store_true", help="two runs and hardly any idleness: does it work at all?")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.idle_s = 2, 0.2
    if options.runs < 1 or options.idle_s <= 0:
        parser.error("--runs and --idle-s must be above 0")
    part = "starting"
    with Console(stderr=True).status(part) as status:

        def tell(text: str) -> None:
            nonlocal part
            part = text
            status.update(text)

        try:
            measured = measure(options.runs, options.idle_s, tell)
        except FAILURES as error:
            print(f"the bench failed at: {part}\n{error}\nnothing is reported", file=sys.stderr)
            return 1
    record = as_record(measured)
    if options.json:
        print(json.dumps(record))
    else:
        show(record, Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
