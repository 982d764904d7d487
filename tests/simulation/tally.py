"""What a run, or many runs, have been through: steps, faults, rows of the table, edges from role to role."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from failover.core.rows import ROWS


@dataclass(slots=True)
class Tally:
    """Counts; `rows` by (role, event's name), `edges` by (role, role)."""

    seeds: int = 0
    steps: int = 0
    stale: int = 0
    simulated_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    edges: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.seeds += other.seeds
        self.steps += other.steps
        self.stale += other.stale
        self.simulated_s += other.simulated_s
        self.faults.update(other.faults)
        self.rows.update(other.rows)
        self.edges.update(other.edges)

    def rows_not_taken(self) -> list[tuple[str, str]]:
        every = {(role.value, event.__name__) for role, event in ROWS}
        return sorted(every - set(self.rows))

    def report(self) -> str:
        """The report at the end of a run."""
        lines = [
            f"{self.seeds} seeds, {self.simulated_s:,.0f} simulated seconds, {self.steps:,} steps"
            f" ({self.stale:,} stale answers dropped), {self.faults.total():,} faults and orders:"
        ]
        lines += [f"  {count:>9,}  {kind}" for kind, count in sorted(self.faults.items())]
        missed = self.rows_not_taken()
        lines.append(f"rows of the table taken: {len(ROWS) - len(missed)} of {len(ROWS)}")
        lines += [f"  not taken: {role} on {event}" for role, event in missed]
        lines.append(f"edges from role to role: {len(self.edges)}")
        lines += [f"  {count:>9,}  {old} -> {new}" for (old, new), count in sorted(self.edges.items())]
        return "\n".join(lines)
