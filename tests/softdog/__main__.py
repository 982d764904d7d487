"""`make softdog`: what a real softdog does with our device and guard, measured in seconds, line by line."""

import sys
from pathlib import Path

from tests.softdog.guest import W_S
from tests.softdog.machine import CHECKOUT, Machine

SCENARIOS = (
    # what, options of the driver, what must happen, seconds counted from which words
    ("stop", "", "reset", "last pet"),
    ("disarm", "", "alive", "last pet"),
    ("disarm", "softdog.nowayout=1", "reset", "last pet"),
    ("kill_guarded", "", "reset", "last pet"),
    ("kill_alone", "", "reset", "killed"),
    ("successor", "", "alive", "last pet"),
)
MARGIN_S = 1.5


def main() -> int:
    machine = Machine(Path(CHECKOUT / ".softdog"))
    machine.make()
    failed = 0
    for scenario, options, expected, since in SCENARIOS:
        at: dict[str, float] = {}
        for now_s, line in machine.run(scenario, options):
            at[line.removeprefix("softdog: ")] = now_s
        happened = "alive" if "alive" in at else "reset" if "gone" in at and since in at else "broken"
        spans = {word: at["gone"] - at[word] for word in ("last pet", "killed") if word in at and "gone" in at}
        good = happened == expected and (happened == "alive" or abs(spans[since] - W_S) < MARGIN_S)
        failed += not good
        told = ", ".join(f"{span:.1f} s after {word}" for word, span in spans.items()) if happened == "reset" else ""
        print(f"{'ok ' if good else 'BAD'} {scenario} {options}: {happened} {told}", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
