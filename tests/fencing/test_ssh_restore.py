"""`restore` of `kind: ssh` over a real sshd: what keeps it from being done, in words, and whether it is tried again.

The far side has no systemd here, so nothing can be started: that it is, is tried on a lab host.
"""

from __future__ import annotations

import pytest

from failover.core.values import Verdict
from failover.ports.service import Result, Strike
from failover.support.launcher import Launcher
from fencing.ssh import SshFence
from tests.fencing.far_side import HELPER, FarSide, strike_here
from tests.servers import sshd as sshd_server
from tests.servers.ports import free_port
from tests.servers.sshd import deaf_port, silent_port
from tests.support.hooks import with_launcher

_MISSING = sshd_server.missing()
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=f"no sshd to test against, missing: {', '.join(_MISSING)}")

NOT_DONE, UNKNOWN = Verdict.NOT_DONE, Verdict.UNKNOWN


def restored(far: FarSide, told: Strike | None = None, **more: object) -> Result:
    async def story(launcher: Launcher) -> Result:
        return await SshFence("stop", far.settings(**more), launcher, {}).restore(told or strike_here())

    return with_launcher(far.folder / "near", story)


def answers(far: FarSide, script: str) -> None:
    """In place of the helper: a line of shell, with the request in SSH_ORIGINAL_COMMAND."""
    path = far.folder / "helper"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    far.sshd.let_in(f'restrict,command="{path}"')


def given(facts: str) -> str:
    """A far side that says so, for this very request."""
    return f"nonce=${{SSH_ORIGINAL_COMMAND#*nonce=}}; echo \"FAILOVERD-GIVEN ${{nonce%% *}} \"'{facts}'"


def test_a_helper_that_is_too_old_is_told_once_and_another_that_cannot_start_anything_too(far: FarSide) -> None:
    """The real helper, asked for a verb that it does not know: as one of an earlier release is by `restore`."""
    allowed = f"--from-ssh --no-systemd --service orders-db --unit orders-db.service --state-dir {far.folder}/state"
    asked = 'SSH_ORIGINAL_COMMAND=$(echo "$SSH_ORIGINAL_COMMAND" | sed "s/ restore / unheard-of /")'
    answers(far, f"{asked} exec {HELPER} {allowed} --port-owner {far.port}")
    result = restored(far)
    assert (result.verdict, result.final) == (NOT_DONE, True)
    assert "its helper knows no restore" in result.detail
    assert "start failoverd@orders-db.service by hand" in result.detail
    far.let_in()
    result = restored(far)
    assert (result.verdict, result.final) == (NOT_DONE, True)
    assert "its controller is no unit of systemd there: start it by hand" in result.detail
    assert far.controller.running
    assert far.service.running


@pytest.mark.long
def test_what_the_helper_gave_is_told_in_words(far: FarSide) -> None:
    for facts, words in (
        ('{"gave": "started", "controller": "c.service"}', "c.service is started there, and ready"),
        ('{"gave": "runs", "controller": "c.service"}', "c.service runs there, and is ready"),
        ('{"gave": "nothing", "why": "it was down"}', "nothing to give back: it was down"),
    ):
        answers(far, given(facts))
        assert restored(far) == Result(Verdict.DONE, words)


@pytest.mark.long
def test_another_machine_and_a_unit_that_is_not_allowed_are_not_tried_again(far: FarSide) -> None:
    for told, more, words in (
        (strike_here(machine_id="0123456789abcdef"), {}, "this is another machine"),
        (None, {"controller": "sshd.service"}, "sshd.service is not allowed here"),
        (strike_here(name="a b"), {"address": "{node.name}"}, "is not an address"),
        (None, {"address": "{node.rack}"}, "{node.rack} is not known"),
    ):
        result = restored(far, told, **more)
        assert (result.verdict, result.final) == (NOT_DONE, True)
        assert words in result.detail


@pytest.mark.long
def test_a_host_that_does_not_answer_is_tried_again(far: FarSide) -> None:
    with silent_port() as silent, deaf_port() as deaf:
        for port, words in ((free_port(), "is sshd running?"), (silent, "the host hangs"), (deaf, "the host is down")):
            result = restored(far, port=port, connect_timeout="1s")
            assert (result.verdict, result.final) == (NOT_DONE, False)
            assert words in result.detail


@pytest.mark.long
def test_a_helper_that_is_missing_slow_or_says_nothing_is_tried_again(far: FarSide) -> None:
    for script, verdict, words in (
        ("exec /nonexistent/failoverctl", NOT_DONE, "there is no helper on it"),
        ("exec sleep 77", UNKNOWN, "what was done there is not known"),
        ("exit 0", UNKNOWN, "did not prove it"),
        (given("no json"), UNKNOWN, "did not prove it"),
        ("echo FAILOVERD-GIVEN 00000000000000000000000000000000 {}", UNKNOWN, "did not prove it"),
        ("exit 3", UNKNOWN, "without an answer"),
    ):
        far.timeout_s = 7.2 if "sleep" in script else None
        answers(far, script)
        result = restored(far)
        assert (result.verdict, result.final) == (verdict, False), script
        assert words in result.detail


@pytest.mark.long
def test_only_the_helper_gives_back_and_only_if_it_may(far: FarSide) -> None:
    async def story(launcher: Launcher) -> None:
        for more, restores in (({}, True), ({"restore": False}, False), ({"run": "/bin/x"}, False)):
            method = SshFence("stop", far.settings(**more), launcher, {})
            assert method.traits.restores is restores
        assert (await method.restore(strike_here())).final

    with_launcher(far.folder / "near", story)
