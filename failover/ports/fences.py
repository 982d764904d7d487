"""What is known of fencing before it is needed: as the runtime keeps it, and as the API shows it.

Times called `at` are wall clock, ISO, for people; those that end in `_s` are CLOCK_BOOTTIME in seconds, for ages.
Deliberately unknown here: how a method strikes, and how anything is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from failover.core.values import Breadcrumb, Confirmation, Node, Verdict
from failover.ports.measures import Asked
from failover.ports.service import Proof, Traits

if TYPE_CHECKING:
    from failover.ports.controller import Operation
    from failover.ports.fence_plans import Plan, TrialAsked


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one method towards one node.

    on_at: when its device last said ON for that node. proof, detail, proved_at, proved_s: the last probe.
    failures: probes in a row that were not DONE. quarantine: why it must not be used, or "". test, test_detail,
    tested_at: the last live test.
    """

    node: Node
    method: str
    on_at: str = ""
    proof: Verdict | None = None
    detail: str = ""
    proved_at: str = ""
    proved_s: float | None = None
    failures: int = 0
    quarantine: str = ""
    test: Verdict | None = None
    test_detail: str = ""
    tested_at: str = ""


@dataclass(frozen=True, slots=True)
class Struck:
    """One strike. `level` counts from 1; `took_s` is in seconds."""

    at: str
    target: str
    epoch: int
    level: int
    method: str
    number: int
    verdict: Verdict
    detail: str
    took_s: float


@dataclass(frozen=True, slots=True)
class FenceReport:
    """How a run ended. `level` counts from 1 (0: none was done, or none was needed), `methods` are that level's.

    `power`: that level took the host's power, and nothing on it answered afterwards: this boot of it has ended.
    """

    target: Breadcrumb
    epoch: int
    verdict: Verdict
    detail: str
    level: int = 0
    methods: tuple[str, ...] = ()
    power: bool = False
    at: str = ""


@dataclass(frozen=True, slots=True)
class Fenced:
    """A node that was fenced and has not been seen since. `at_s` None: in an earlier boot of this host."""

    node: Node
    epoch: int
    methods: tuple[str, ...]
    detail: str
    at: str
    at_s: float | None


@dataclass(frozen=True, slots=True)
class Restoring:
    """Giving back what a fence took. `state`: waiting, done, given_up or called_off."""

    node: str
    method: str
    state: str
    tries: int
    detail: str
    at: str


@dataclass(frozen=True, slots=True)
class MethodTold:
    """A method of the chain, as it is shown. `timeout_s`: the deadline of one try, in seconds."""

    name: str
    timeout_s: float
    traits: Traits


@dataclass(frozen=True, slots=True)
class FenceSight:
    """Everything that is shown of fencing. `every_s`: from one probe to the next; None: only when asked.

    fenceable: peers that this node has lately proven it could fence. unusable: peers for which no level is left that
    could end the chain. stale: peers whose proofs have all grown too old. fenced: who has not come back since.
    needs_help: methods that are useless against a host without power. struck: strikes of each method since the start of
    the process, those of live tests too.
    """

    levels: tuple[tuple[str, ...], ...] = ()
    methods: tuple[MethodTold, ...] = ()
    every_s: float | None = None
    known: tuple[Known, ...] = ()
    fenceable: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    needs_help: tuple[str, ...] = ()
    fenced: tuple[Fenced, ...] = ()
    restores: tuple[Restoring, ...] = ()
    struck: tuple[Asked, ...] = ()


class Proofs(Protocol):
    """The book, as the runtime keeps it."""

    def of(self, target: Node, method: str) -> Known:
        """What is known; an empty entry where nothing is."""

    def known(self) -> tuple[Known, ...]:
        """All entries, by node and method."""

    def probed(self, target: Node, method: str, proof: Proof) -> None:
        """A probe towards a living node has answered."""

    def tested(self, target: Node, method: str, verdict: Verdict, detail: str) -> None:
        """A live test has ended."""

    def striking(self, target: Breadcrumb) -> None:
        """A chain is about to run against this node, with these facts."""

    def strike_over(self) -> None:
        """The chain has ended, or was called off."""

    def strikes(self) -> tuple[Struck, ...]:
        """The newest strikes, the oldest first."""

    def struck_often(self) -> tuple[Asked, ...]:
        """How often each method has struck since the start of the process, and how long that took."""

    def fenced(self) -> tuple[Fenced, ...]:
        """Nodes that were fenced and have not been seen since."""

    def seen(self, node: Node, boot_id: str) -> None:
        """A new member record of this node is there, in that boot: it has come back."""

    def off_since(self, target: Breadcrumb) -> str:
        """How it is known that this very boot has ended already; "" if it is not."""


class FenceDesk(Protocol):
    """Fencing, as the API sees it. Orders raise OrderRefused with the check that failed."""

    def sight(self) -> FenceSight:
        """What is known now; changes nothing."""

    def strikes(self) -> tuple[Struck, ...]:
        """This node's newest strikes, the oldest first."""

    async def plan(self, node: str) -> Plan:
        """What fencing `node` would be, without touching anything."""

    async def probe(self, node: str, method: str | None, by: str) -> tuple[Known, ...]:
        """Probe one method, or every one that can be probed, towards a living peer now."""

    async def test(self, ask: TrialAsked) -> Operation:
        """Strike a living standby and give back what was taken."""

    async def confirm(self, node: str, reason: str, override: bool, by: str) -> Confirmation:
        """An operator's word that the breadcrumb's node is off, for this very version of the breadcrumb."""

    def operation(self, id: str) -> Operation | None:  # noqa: A002 - the API's own word
        """A live test under way or ended, with its strikes."""
