"""Many seeds, on one or more processes, and the pinned ones."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.run import Outcome, run
from tests.simulation.tally import Tally

PINNED = Path(__file__).with_name("pinned.txt")
BATCH = 25
MOST_FAILURES = 20


@dataclass(slots=True)
class Result:
    """What many seeds have come to. `failures`: at most the first few."""

    tally: Tally = field(default_factory=Tally)
    failures: list[Outcome] = field(default_factory=list)
    failed: int = 0

    def add(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self.tally.add(outcome.tally)
            if outcome.breach:
                self.failed += 1
                if len(self.failures) < MOST_FAILURES:
                    self.failures.append(outcome)


def run_all(seeds: Sequence[int], workers: int, progress: Callable[[Result], None] = lambda _: None) -> Result:
    """Run the seeds, in batches; the result does not depend on the number of workers."""
    batches = [list(seeds[start : start + BATCH]) for start in range(0, len(seeds), BATCH)]
    result = Result()
    if workers == 1:
        for batch in batches:
            result.add(run_batch(batch))
            progress(result)
        return result
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        for outcomes in pool.imap(run_batch, batches):
            result.add(outcomes)
            progress(result)
    return result


def run_batch(seeds: list[int]) -> list[Outcome]:
    """One worker's share. The counts are summed up there: they are large, and the seeds are many."""
    outcomes = [run(seed) for seed in seeds]
    total = Tally()
    for outcome in outcomes:
        total.add(outcome.tally)
    failed = [Outcome(one.seed, Tally(), one.breach, one.by, one.story) for one in outcomes if one.breach]
    return [Outcome(seeds[0], total), *failed]


def pinned() -> dict[int, str]:
    """The seeds that have found something, and what it was."""
    lines = (line.partition("#") for line in PINNED.read_text(encoding="utf-8").splitlines())
    return {int(seed): comment.strip() for seed, _, comment in lines if seed.strip()}
