"""One probe's word, out of its findings: `fall` failures in a row make it bad, `rise` good answers well again.

And the word of all of them together: every probe must pass. No clock, no tasks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from failover.core.values import Health
from failover.ports.service import Finding

NOT_ASKED = Finding(Health.UNKNOWN, "not asked yet")
_WORST_FIRST = (Health.NOT_RESPONDING, Health.UNHEALTHY, Health.UNKNOWN, Health.HEALTHY)


@dataclass(slots=True)
class Word:
    """`said` is the word as it stands, with the finding that made it so."""

    rise: int
    fall: int
    said: Finding = NOT_ASKED
    _good: int = 0
    _bad: int = 0

    def count(self, finding: Finding) -> None:
        """Take one more finding into account. An UNKNOWN one says nothing; the end of the process says all."""
        if finding.health is Health.UNKNOWN:
            return
        if finding.gone:
            self._good, self._bad = 0, self.fall
        elif finding.health.bad:
            self._good, self._bad = 0, self._bad + 1
        else:
            self._good, self._bad = self._good + 1, 0
        if self._good >= self.rise or (self._bad >= self.fall and not self.said.gone):
            # That the process has ended says more than the failures that follow from it.
            self.said = replace(finding, gone=finding.gone or finding.absent)


def together(words: Iterable[tuple[str, Finding]]) -> Finding:
    """The worst of all, by name; `gone` if the process that one of them watches is, and no other sees one."""
    listed = list(words)
    if not listed:
        return Finding(Health.HEALTHY, "no probes")
    worst = min((finding.health for _, finding in listed), key=_WORST_FIRST.index)
    said = [f"{name}: {finding.detail}" for name, finding in listed if finding.health is worst]
    detail = "all probes pass" if worst is Health.HEALTHY else "; ".join(said)
    findings = [finding for _, finding in listed]
    gone = any(finding.gone for finding in findings) and not any(finding.there for finding in findings)
    return Finding(worst, detail[:500], gone)
