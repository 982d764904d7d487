"""`python -m tests.simulation --seeds N [--seed S] [--from S]`: run seeds, report, exit 1 if a rule was broken.

Without --from, one half of the seeds has the simple fencing, the other half (from DOUBT_FROM on) the real chain over
devices that may be wrong, and operators who confirm.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time

from tests.simulation.campaign import Result, pinned, run_all
from tests.simulation.run import run
from tests.simulation.scenario import DOUBT_FROM

SHOW_EVERY_S = 10.0


def main() -> int:
    """Exit code: 0 every rule held, 1 one was broken."""
    ask = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    ask.add_argument("--seeds", type=int, default=500, metavar="N", help="how many seeds (default 500)")
    ask.add_argument("--from", type=int, metavar="S", dest="first", help="the first of them (default: half from 0)")
    ask.add_argument("--seed", type=int, metavar="S", help="one seed only, with its whole story if it fails")
    ask.add_argument("--lines", type=int, default=40, metavar="L", help="how many last steps to show (default 40)")
    ask.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="W", help="processes")
    given = ask.parse_args()
    logging.disable(logging.CRITICAL)  # what a controller would log is in the story of a seed that fails
    if given.seed is not None:
        return _one(given.seed, given.lines)
    return _many(_seeds(given.first, given.seeds), given.workers)


def _seeds(first: int | None, count: int) -> list[int]:
    if first is not None:
        return list(range(first, first + count))
    doubting = count // 2
    return [*range(count - doubting), *range(DOUBT_FROM, DOUBT_FROM + doubting)]


def _one(seed: int, lines: int) -> int:
    outcome = run(seed, lines)
    print(outcome.story or f"seed {seed}: every rule held\n{outcome.tally.report()}")
    return 1 if outcome.breach else 0


def _many(seeds: list[int], workers: int) -> int:
    begun_s = shown_s = time.monotonic()

    def progress(result: Result) -> None:
        nonlocal shown_s
        if time.monotonic() - shown_s >= SHOW_EVERY_S:
            shown_s = time.monotonic()
            print(f"{result.tally.seeds} seeds, {result.failed} failed", file=sys.stderr, flush=True)

    result = run_all([*pinned(), *seeds], workers, progress)
    for failure in result.failures[:3]:
        print(failure.story, end="\n\n")
    for failure in result.failures[3:]:
        print(f"seed {failure.seed}: {failure.breach}")
    print(result.tally.report())
    took_s = time.monotonic() - begun_s
    print(f"{result.failed} of {result.tally.seeds} seeds broke a rule; {took_s:.0f} s")
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main())
