"""`kind: ssh`, the near side: one login, one answer that carries our nonce, and a last look from here.

DONE only if `ssh` ended with 0 *and* the far side answered to this very request *and* none of the service's ports takes
a connection any more. Knows nothing of how the far side does it, nor of what comes after.
"""

from __future__ import annotations

import asyncio
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from config.models.fencing.ssh import SshMethodSettings
from config.placeholders import fill
from failover.core.values import Verdict
from failover.ports.service import Line, Proof, Result, Strike, Traits
from failover.support.command import DEFAULT_PATH, Command, Outcome
from failover.support.fence_request import NOT, BadRequestError, FenceRequest, find_answer
from failover.support.knocking import Answer, knock
from failover.support.launcher import Launcher
from fencing.ssh.command_line import BadAddressError, ssh_argv
from fencing.ssh.reasons import TRANSPORT_FAILED, transport_reason
from fencing.ssh.remote import Remote, by_command, by_helper
from fencing.target import Facts, facts_of, would_hit_this_host

ENVIRONMENT = {"PATH": DEFAULT_PATH, "LC_ALL": "C", "LANG": "C"}
"""No agent, no display, no home: what works by hand with those would not work here."""
MARGIN_S = 0.5
LOOK_S = 0.5
"""How long a port may take to accept; later than that it counts as silent."""
LOOKS_S = 2 * LOOK_S  # kept free for it: the loop may be late
_NOT_FOUND, _NO_REQUEST = 127, 2
_TOO_OLD = "its helper knows no restore, so it is older than this controller"


class _CannotStrike(Exception):
    """Nothing can be run; the text says why."""


class SshFence:
    """Implements `FenceMethod`. `nodes`: the locally configured facts of each node."""

    def __init__(
        self,
        name: str,
        settings: SshMethodSettings,
        launcher: Launcher,
        nodes: Mapping[str, Facts],
        program: str = "ssh",
    ) -> None:
        self.name = name
        self.timeout_s = settings.timeout
        self.traits = Traits(
            attempts=settings.attempts,
            whole=settings.run is None or settings.stops == "everything",
            restores=settings.run is None and settings.restore,
            askable=True,
        )
        self._settings = settings
        self._launcher = launcher
        self._nodes = nodes
        self._program = program

    async def fence(self, strike: Strike) -> Result:
        """Log in and end it. A fact that is missing: nothing is struck, UNKNOWN."""
        try:
            self._spare_this_host(strike)
            host, remote = self._prepare("fence", strike, secrets.token_hex(16))
            outcome = await self._run(host, remote, "")
        except _CannotStrike as why:
            return Result(Verdict.UNKNOWN, str(why))
        answer = find_answer(outcome.output, remote.word, remote.nonce)
        if not (outcome.ended and outcome.exit_code == 0 and answer is not None):
            return Result(*self._not_there(outcome, remote))
        still = await _still_open(host, self._settings.ports)
        if still:
            ports = ", ".join(map(str, still))
            words = f"the far side says done, but {host} port {ports} still takes connections"
            return Result(Verdict.NOT_DONE, words)
        return Result(Verdict.DONE, self._done(answer))

    async def probe(self, strike: Strike) -> Proof:
        """DONE if the login works and the far side says that it could; nothing is changed."""
        try:
            host, remote = self._prepare("check", strike, secrets.token_hex(16))
            outcome = await self._run(host, remote, "-check")
        except _CannotStrike as why:
            return Proof(Verdict.NOT_DONE, str(why))
        if outcome.ended and outcome.exit_code == 0 and find_answer(outcome.output, remote.word, remote.nonce):
            able = "it could end both" if self._settings.run is None else "logged in to the right machine; run untried"
            return Proof(Verdict.DONE, able)
        return Proof(*self._not_there(outcome, remote))

    async def restore(self, strike: Strike) -> Result:
        """Log in and let the helper start the controller's unit, if that very strike has stopped it; nothing else."""
        if self._settings.run is not None:
            return Result(Verdict.NOT_DONE, "run gives nothing back: the helper does, by unit", final=True)
        try:
            host, remote = self._prepare("restore", strike, secrets.token_hex(16))
            outcome = await self._run(host, remote, "-restore")
        except _CannotStrike as why:
            return Result(Verdict.NOT_DONE, str(why), final=True)
        answer = find_answer(outcome.output, remote.word, remote.nonce)
        if outcome.ended and outcome.exit_code == 0 and answer is not None:
            return Result(Verdict.DONE, _given(answer))
        if outcome.ended and outcome.exit_code == _NO_REQUEST:
            words = f"{_TOO_OLD}: upgrade failoverd there, and start {self._controller(strike)} by hand"
            return Result(Verdict.NOT_DONE, words, final=True)
        said = find_answer(outcome.output, NOT, remote.nonce)
        return Result(*self._not_there(outcome, remote), final=said is not None and said.get("certain") is True)

    def plan(self, strike: Strike) -> list[Line]:
        """The command line as it would be, but for the nonce."""
        try:
            self._spare_this_host(strike)
            host, remote = self._prepare("fence", strike, "0" * 32)
            argv = ssh_argv(self._settings, host, remote.line, self._program)
        except (_CannotStrike, BadAddressError) as why:
            return [Line("cannot be run", str(why))]
        lines = [Line("ssh", shlex.join(argv)), Line("nonce", "a new one in place of the zeros")]
        if self._settings.ports:
            ports = ", ".join(map(str, self._settings.ports))
            lines.append(Line("then", f"none of {host} port {ports} may take a connection"))
        if self.traits.restores:
            lines.append(Line("restore", f"{self._controller(strike)} is started there, once a peer is active"))
        return lines

    # --- before

    def _prepare(self, verb: str, strike: Strike, nonce: str) -> tuple[str, Remote]:
        """Where to, and what is run there. Raises _CannotStrike."""
        settings, facts = self._settings, facts_of(strike, self._nodes)
        try:
            (host,) = fill((settings.address,), facts)
            run = fill(settings.run, facts) if settings.run is not None else None
        except KeyError as missing:
            known = ", ".join(sorted(facts))
            raise _CannotStrike(f"{{{missing.args[0]}}} is not known: known are {known}") from None
        controller, target = self._controller(strike), strike.target
        request = FenceRequest(
            verb, strike.service, settings.unit or controller, controller, settings.ports, nonce,
            target.node.machine_id, target.boot_id, max(0, strike.epoch), self._far_deadline_s(),
        )  # fmt: skip
        try:
            return host.strip("[]"), by_helper(request) if run is None else by_command(request, run)
        except BadRequestError as error:
            raise _CannotStrike(str(error)) from None

    def _controller(self, strike: Strike) -> str:
        return self._settings.controller or f"failoverd@{strike.service}.service"

    def _far_deadline_s(self) -> float:
        """What is left of our own once connected, and once the answer must be on its way."""
        return self.timeout_s - self._settings.connect_timeout - LOOKS_S - MARGIN_S

    def _spare_this_host(self, strike: Strike) -> None:
        """S7. Raises _CannotStrike. Not for a renamed host: several nodes of one machine may share its address."""
        asked = replace(strike, own_machine=False)
        obstacle = would_hit_this_host(asked, self._nodes, (self._settings.address,))
        if obstacle:
            raise _CannotStrike(obstacle)

    async def _run(self, host: str, remote: Remote, suffix: str) -> Outcome:
        try:
            argv = ssh_argv(self._settings, host, remote.line, self._program)
        except BadAddressError as error:
            raise _CannotStrike(str(error)) from None
        name = f"fence-{self.name}{suffix}"
        return await self._launcher.run(Command(argv, ENVIRONMENT, self.timeout_s - LOOKS_S, name, split=True))

    # --- after

    def _not_there(self, outcome: Outcome, remote: Remote) -> tuple[Verdict, str]:
        """Why it is not done. NOT_DONE only where that is certain."""
        if not outcome.started:
            return Verdict.NOT_DONE, f"ssh {outcome.describe()}; is the package openssh-client installed?"
        said = find_answer(outcome.output, NOT, remote.nonce)
        if said is not None:
            verdict = Verdict.NOT_DONE if said.get("certain") is True else Verdict.UNKNOWN
            return verdict, f"the far side says no: {said.get('why') or 'it gives no reason'}"
        if not outcome.ended or outcome.exit_code is None:
            return Verdict.UNKNOWN, f"{outcome.describe()}; what was done there is not known"
        if outcome.exit_code == TRANSPORT_FAILED:
            reason = transport_reason(outcome, self._settings)
            return Verdict.NOT_DONE if reason.untouched else Verdict.UNKNOWN, reason.words
        return self._no_answer(outcome)

    def _no_answer(self, outcome: Outcome) -> tuple[Verdict, str]:
        words = outcome.describe()
        if outcome.exit_code == 0:
            return Verdict.UNKNOWN, "the login ended well, but did not prove it: is it the key of the command=… line?"
        if outcome.exit_code == _NOT_FOUND:
            return (
                Verdict.NOT_DONE,
                f"there is no helper on it: install failoverd, look at the command=… line ({words})",
            )
        if outcome.exit_code == _NO_REQUEST and self._settings.run is None:
            return Verdict.NOT_DONE, f"its helper does not understand us: is it the same version? ({words})"
        return Verdict.UNKNOWN, f"the far side ended without an answer: {words}"

    def _done(self, answer: Mapping[str, object]) -> str:
        rebooted = "already rebooted since it was active; " if answer.get("rebooted") is True else ""
        if self._settings.run is not None:
            return f"{rebooted}run ended with 0 on the right machine"
        by = "their control groups" if answer.get("by") == "systemd" else "their processes"
        return f"{rebooted}controller and service are dead there, proven by {by}"


def _given(answer: Mapping[str, object]) -> str:
    """What the helper gave back, in words."""
    name = answer.get("controller")
    told = {"started": f"{name} is started there, and ready", "runs": f"{name} runs there, and is ready"}
    return told.get(str(answer.get("gave")), f"nothing to give back: {answer.get('why') or 'it gives no reason'}")


async def _still_open(host: str, ports: Sequence[int]) -> list[int]:
    """Those that take a connection, seen from here; all are tried at once. Refused is as good as closed."""
    answers = await asyncio.gather(*(knock(host, port, LOOK_S) for port in ports))
    return [port for port, answer in zip(ports, answers, strict=True) if answer is Answer.ACCEPTED]
