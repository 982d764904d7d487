"""One machine: its service, its hook processes, its disk, and whether it has power.

It outlives its controllers: what they leave behind (a running hook, an active service, a file) is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from failover.core.values import Identity, Node
from failover.runtime.adoption import Kept
from tests.simulation.clock import HeapClock
from tests.simulation.gate import Gate
from tests.simulation.service import Mode, SimulatedService

if TYPE_CHECKING:
    from tests.simulation.hooks import Hook
    from tests.simulation.process import Process


@dataclass(slots=True)
class Disk:
    """What survives a controller. `floor`: kept by `RaiseFloor`; `kept`: what adoption needs (on tmpfs)."""

    floor: int = 0
    kept: Kept = field(default_factory=Kept)
    # What is known of fence devices, by (target, method), and which boots were switched off (on tmpfs).
    seen_on: set[tuple[str, str]] = field(default_factory=set)
    quarantined: set[tuple[str, str]] = field(default_factory=set)
    ended: set[tuple[str, str]] = field(default_factory=set)


class Host:
    """A machine."""

    def __init__(
        self,
        name: str,
        index: int,
        clock: HeapClock,
        standby_stopped: bool,
        changed: Callable[[Host, Mode, str], None],
        count: Callable[[str], None],
    ) -> None:
        self.name = name
        self.index = index
        self.node = Node(name, f"machine-{index}")
        self.clock = clock
        self.count = count
        self.boots = 1
        self.powered = True
        self.calm = False
        self.gate = Gate(clock)
        self.disk = Disk()
        self.hooks: list[Hook] = []
        self.process: Process | None = None
        self.reachable_s = 0.0  # peers' messages get through again from this moment on
        # What the checkers must know to be fair.
        self.flips = 0  # how often its service has become active by itself
        self.bad_s = 0.0  # when its controller was last without a store, or paused by order
        self.hampered_s = 0.0  # when something last befell it for which its controller cannot be blamed
        self.failed_demote = False  # its last demote did not, or will not, answer done in time
        self.raced_paused = False  # it last asked for the lock under a pause, which only its own active may
        self.wrote_version = -1  # the version of the breadcrumb that its last claim wrote
        self.service = SimulatedService(standby_stopped, lambda before, why: changed(self, before, why))

    @property
    def identity(self) -> Identity:
        return Identity(self.node, f"{self.name}-boot-{self.boots}", f"{self.name}:8300", {"bmc": self.name})

    @property
    def stuck_hooks(self) -> list[Hook]:
        """Hooks that were killed and are still there: what they may yet do, nobody knows (S4)."""
        return [hook for hook in self.hooks if hook.stuck]

    def lose_power(self) -> None:
        """Everything on it ends at once."""
        if not self.powered:
            return
        self.powered = False
        self.gate.die()
        for hook in list(self.hooks):
            hook.die()
        if self.process is not None:
            self.process.killed()
        self.service.crash()
        self.service.crashed = False
        self.disk = Disk(floor=self.disk.floor)

    def boot(self) -> None:
        """Comes up again under a new boot-id; its service as a standby, its controller by its supervisor."""
        if self.powered:
            return
        self.powered = True
        self.boots += 1
        self.gate = Gate(self.clock)
        self.failed_demote = False
        self.service.come_back()
