"""One probe's word, out of its findings: `fall` failures in a row make it bad, `rise` good answers well again.

And the word of all of them together: every critical probe must pass; the others only say how impaired the node is.
No clock, no tasks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from failover.core.values import Health
from failover.ports.service import Finding

NOT_ASKED = Finding(Health.UNKNOWN, "not asked yet")
MOST_SAID = 500
_WORST_FIRST = (Health.NOT_RESPONDING, Health.UNHEALTHY, Health.UNKNOWN, Health.HEALTHY)


@dataclass(slots=True)
class Word:
    """`said` is the word as it stands, with the finding that made it so."""

    rise: int
    fall: int
    said: Finding = NOT_ASKED
    _good: int = 0
    _bad: int = 0
    _absent: int = 0

    def count(self, finding: Finding) -> None:
        """Take one more finding into account. An UNKNOWN one says nothing; the end of the process says all."""
        if finding.health is Health.UNKNOWN:
            if self.said.health is Health.UNKNOWN:
                self.said = finding  # why it is not known
            return
        self._absent = self._absent + 1 if finding.absent else 0
        if finding.gone or finding.at_once:
            self._good, self._bad = 0, self.fall
        elif finding.health.bad:
            self._good, self._bad = 0, self._bad + 1
        else:
            self._good, self._bad = self._good + 1, 0
        if self._good >= self.rise or (self._bad >= self.fall and (finding.there or not self.said.gone)):
            # That the process has ended says more than the failures that follow from it, unless one is found after all.
            self.said = replace(finding, gone=finding.gone or self._absent >= self.fall)


@dataclass(frozen=True, slots=True)
class Together:
    """What all probes say. `impaired`: how many fail that are not critical."""

    health: Health
    detail: str = ""
    gone: bool = False
    impaired: int = 0


def together(words: Iterable[tuple[str, Finding, bool]]) -> Together:
    """The worst of the critical ones, by name; the third of each is whether it is critical.

    `gone` if the process that a critical one watches is, and no probe at all sees one.
    """
    listed = list(words)
    critical = [(name, finding) for name, finding, weighs in listed if weighs]
    failing = [f"{name}: {finding.detail}" for name, finding, weighs in listed if not weighs and finding.health.bad]
    worst = min((finding.health for _, finding in critical), key=_WORST_FIRST.index, default=Health.HEALTHY)
    said = [f"{name}: {finding.detail}" for name, finding in critical if finding.health is worst]
    if not listed:
        said = ["no probes"]
    elif worst is Health.HEALTHY:
        said = ["all critical probes pass" if failing else "all probes pass"]
    if failing:
        said.append("impaired: " + "; ".join(failing))
    gone = any(finding.gone for _, finding in critical) and not any(finding.there for _, finding, _ in listed)
    return Together(worst, "; ".join(said)[:MOST_SAID], gone, len(failing))
