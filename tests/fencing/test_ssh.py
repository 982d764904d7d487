"""`kind: ssh` over a real sshd: controller and service are really dead, or it is not called done."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from failover.cli.fence_local.proc import owners_of_file
from failover.core.values import Verdict
from failover.daemon.state_folder import StateFolder
from failover.support.launcher import Launcher
from fencing.ssh import SshFence
from tests.fencing.far_side import HELPER, SERVE, SERVICE, UNIT, FarSide, far_side, strike_here
from tests.servers import sshd as sshd_server
from tests.servers import unkillable as unkillable_process
from tests.servers.ports import free_port
from tests.servers.process import ServerProcess
from tests.servers.sshd import Sshd, deaf_port, make_key, silent_port
from tests.servers.unkillable import unkillable
from tests.servers.wait import eventually, eventually_async
from tests.support.hooks import lives, with_launcher

_MISSING = sshd_server.missing()
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=f"no sshd to test against, missing: {', '.join(_MISSING)}")


@pytest.fixture
def own_far() -> Iterator[FarSide]:
    """One whose sshd may be broken."""
    with Sshd() as server, far_side(server) as made:
        yield made


def assert_untouched(far: FarSide) -> None:
    assert far.service.running
    assert far.controller.running
    assert far.listens()


def test_controller_its_children_and_the_service_are_dead_and_the_epoch_floor_is_raised(far: FarSide) -> None:
    controller, service, child = far.controller.pid, far.service.pid, far.child()
    assert controller is not None
    assert service is not None
    os.kill(controller, signal.SIGSTOP)
    result = far.fence()
    assert result.verdict is Verdict.DONE, result.detail + far.sshd.log()
    assert result.detail == "controller and service are dead there, proven by their processes"
    assert [lives(pid) for pid in (controller, service, child)] == [False, False, False]
    assert StateFolder(far.state).floor() == 42
    assert far.fence().verdict is Verdict.DONE, "it may be asked twice"


def test_a_probe_says_that_it_could_and_touches_nothing(far: FarSide) -> None:
    proof = far.probe()
    assert (proof.verdict, proof.detail) == (Verdict.DONE, "it could end both")
    assert_untouched(far)
    assert StateFolder(far.state).floor() == 0


def test_a_host_that_was_booted_since_is_said_to_be_and_is_struck_all_the_same(far: FarSide) -> None:
    result = far.fence(strike_here(boot="11111111-2222-3333-4444-555555555555"))
    assert result.verdict is Verdict.DONE
    assert result.detail.startswith("already rebooted since it was active; ")
    assert not far.controller.running
    assert not far.listens()


# --- whom it does not strike


def test_another_machine_at_the_address_is_not_touched(far: FarSide) -> None:
    result = far.fence(strike_here(machine_id="0123456789abcdef0123456789abcdef"))
    assert result.verdict is Verdict.NOT_DONE
    assert "this is another machine" in result.detail
    assert_untouched(far)
    assert far.probe(strike_here(machine_id="0123456789abcdef")).verdict is Verdict.NOT_DONE


def test_a_peer_cannot_name_a_unit_that_the_far_side_does_not(far: FarSide) -> None:
    for more in ({"unit": "sshd.service"}, {"controller": "sshd.service"}):
        result = far.fence(**more)
        assert result.verdict is Verdict.NOT_DONE
        assert "sshd.service is not allowed here; allowed: " in result.detail
    assert_untouched(far)


def test_this_very_host_under_our_own_name_is_never_struck(far: FarSide) -> None:
    async def story(launcher: Launcher) -> str:
        nodes = {"db1": {"address": "127.0.0.1"}}
        method = SshFence("stop", far.settings(), launcher, nodes)
        told = strike_here(name="db1", by="db1", machine_id="another-machine")
        result = await method.fence(told)
        assert result.verdict is Verdict.UNKNOWN
        assert method.plan(told)[0].name == "cannot be run"
        return result.detail

    assert "it would strike this host" in with_launcher(far.folder / "near", story)
    assert_untouched(far)


INJECTIONS = (
    "",
    "failoverctl fence-local fence; touch {mark}",
    "failoverctl fence-local check service=$(touch {mark})",
    "failoverctl fence-local fence --service other",
)


def test_no_other_words_get_through_the_forced_command(far: FarSide) -> None:
    mark = far.folder / "broken-in"
    for words in INJECTIONS:
        done = subprocess.run(
            ["ssh", "-F", "none", "-i", str(far.sshd.key), "-o", f"UserKnownHostsFile={far.sshd.known_hosts}",
             "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-p", str(far.sshd.port), "root@127.0.0.1",
             *([words.format(mark=mark)] if words else [])],
            capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 2, words + done.stdout + done.stderr
        assert "this is no request" in done.stderr
        assert not mark.exists()
    assert_untouched(far)


# --- what does not get there


def test_a_port_that_refuses(far: FarSide) -> None:
    result = far.fence(port=free_port())
    assert result.verdict is Verdict.NOT_DONE
    assert "is sshd running?" in result.detail


def test_a_port_that_says_nothing(far: FarSide) -> None:
    with silent_port() as port:
        result = far.fence(port=port, connect_timeout="1s")
    assert result.verdict is Verdict.NOT_DONE
    assert "sshd says nothing: the host hangs" in result.detail


def test_a_host_that_is_switched_off(far: FarSide) -> None:
    with deaf_port() as port:
        result = far.fence(port=port, connect_timeout="1s")
    assert result.verdict is Verdict.NOT_DONE
    assert "the host is down, or the network is" in result.detail


def test_an_sshd_that_is_frozen(own_far: FarSide) -> None:
    own_far.sshd.pause()
    result = own_far.fence(connect_timeout="1s")
    assert result.verdict is Verdict.NOT_DONE
    assert "sshd says nothing: the host hangs" in result.detail


def test_a_host_that_freezes_in_mid_command_leaves_it_unknown(own_far: FarSide) -> None:
    own_far.sshd.let_in("restrict")

    async def story(launcher: Launcher) -> None:
        method = SshFence("stop", own_far.settings(run=["sleep", "77"], timeout="30s"), launcher, {})
        task = asyncio.create_task(method.fence(strike_here()))
        await eventually_async(lambda: own_far.sshd.running("77"), 10, "the command runs there")
        own_far.sshd.pause()
        result = await task
        assert result.verdict is Verdict.UNKNOWN
        assert "it froze while the fence ran there" in result.detail

    with_launcher(own_far.folder / "near", story)


def test_a_changed_host_key(far: FarSide) -> None:
    far.sshd.know(make_key(far.folder / "other"))
    result = far.fence()
    assert result.verdict is Verdict.NOT_DONE
    assert "its host key is another one" in result.detail
    assert_untouched(far)


def test_an_unknown_host_key(far: FarSide) -> None:
    far.sshd.known_hosts.write_text("")
    result = far.fence()
    assert result.verdict is Verdict.NOT_DONE
    assert "no host key of it is in" in result.detail
    assert_untouched(far)


def test_a_key_that_is_not_accepted(far: FarSide) -> None:
    far.sshd.let_in("restrict", make_key(far.folder / "other"))
    result = far.fence()
    assert result.verdict is Verdict.NOT_DONE
    assert "it does not accept the key" in result.detail


def test_a_key_that_is_not_there(far: FarSide) -> None:
    result = far.fence(key="/nonexistent/id")
    assert result.verdict is Verdict.NOT_DONE
    assert "cannot be used" in result.detail


def test_a_helper_that_is_not_there(far: FarSide) -> None:
    far.let_in(helper="/nonexistent/failoverctl fence-local")
    result = far.fence()
    assert result.verdict is Verdict.NOT_DONE
    assert "there is no helper on it" in result.detail


def test_a_login_that_ends_well_and_proves_nothing(far: FarSide) -> None:
    far.sshd.let_in('restrict,command="echo FAILOVERD-FENCED 0 {}"')
    result = far.fence()
    assert result.verdict is Verdict.UNKNOWN
    assert "did not prove it" in result.detail


def test_without_ssh_on_this_host(far: FarSide) -> None:
    async def story(launcher: Launcher) -> str:
        return (await SshFence("stop", far.settings(), launcher, {}, "/nonexistent/ssh").fence(strike_here())).detail

    assert "is the package openssh-client installed?" in with_launcher(far.folder / "near", story)


def test_an_address_that_is_none_strikes_nobody(far: FarSide) -> None:
    for address in ("-oProxyCommand=touch", "a b", "", "x;y", "$(id)"):
        result = far.fence(address="{node.name}", told=strike_here(name=address))
        assert result.verdict is Verdict.UNKNOWN
        assert "is not an address" in result.detail
    assert_untouched(far)


# --- what is not done there


def test_a_helper_that_is_killed_leaves_it_unknown(far: FarSide) -> None:
    waiting = StateFolder(far.state)
    with _held(waiting.path / "fence.lock"):

        async def story(launcher: Launcher) -> None:
            method = SshFence("stop", far.settings(), launcher, {})
            task = asyncio.create_task(method.fence(strike_here()))
            lock = far.state / "fence.lock"
            helpers = lambda: owners_of_file(lock) & set(far.sshd.running("failover.cli"))  # noqa: E731
            for pid in await eventually_async(helpers, 10, "the helper waits its turn"):
                os.kill(pid, signal.SIGKILL)
            result = await task
            assert result.verdict is Verdict.UNKNOWN, result.detail

        with_launcher(far.folder / "near", story)
    assert_untouched(far)


def test_one_fence_at_a_time_and_the_second_says_so_at_its_deadline(far: FarSide) -> None:
    with _held(far.state / "fence.lock"):
        far.timeout_s = 7.2
        result = far.fence()
    assert result.verdict is Verdict.UNKNOWN
    assert "another fence of this host has not ended in time" in result.detail
    assert_untouched(far)


def test_a_service_that_sigkill_does_not_end_is_not_called_dead(far: FarSide) -> None:
    missing = unkillable_process.missing()
    if missing:
        pytest.skip(f"no unkillable process, missing: {', '.join(missing)}")
    assert far.service.pid is not None
    with unkillable(far.service.pid):
        far.timeout_s = 7.2
        result = far.fence()
    assert result.verdict is Verdict.UNKNOWN
    assert f"processes of the service live on after SIGKILL: {far.service.pid or ''}" in result.detail


def test_a_controller_that_sigkill_does_not_end_is_not_called_dead(far: FarSide) -> None:
    missing = unkillable_process.missing()
    if missing:
        pytest.skip(f"no unkillable process, missing: {', '.join(missing)}")
    assert far.controller.pid is not None
    with unkillable(far.controller.pid):
        far.timeout_s = 7.2
        result = far.fence()
    assert result.verdict is Verdict.UNKNOWN
    assert "its controller still holds" in result.detail


def test_a_port_that_is_still_open_there_is_not_closed(far: FarSide) -> None:
    far.let_in(port_owner="", pidfile="/nonexistent")
    far.timeout_s = 7.2
    result = far.fence()
    assert result.verdict is Verdict.UNKNOWN
    assert f"something still listens on port {far.port}" in result.detail


def test_a_port_that_is_open_from_here_is_not_closed_whatever_the_far_side_says(far: FarSide) -> None:
    far.sshd.let_in("restrict")
    result = far.fence(run="exit 0", stops="everything")
    assert result.verdict is Verdict.NOT_DONE
    assert result.detail == f"the far side says done, but 127.0.0.1 port {far.port} still takes connections"


def test_a_service_that_is_started_again_by_somebody_else_is_not_called_dead(far: FarSide) -> None:
    assert far.service.pid is not None
    again = f'{sys.executable} -c "{SERVE.format(port=far.port)}"'
    supervisor = ServerProcess(
        ["sh", "-c", f"while kill -0 {far.service.pid}; do sleep 0.05; done; sleep 0.2; {again}"], far.folder / "again"
    )
    # Until its parent has waited for it, a dead process can still be signalled.
    with supervised(supervisor, far.service):
        result = far.fence()
    assert result.verdict is Verdict.UNKNOWN
    assert "of the service live on" in result.detail or "something listens again on port" in result.detail


def test_a_state_folder_that_no_controller_has_used_is_a_wrong_one(far: FarSide) -> None:
    far.let_in(state_dir=str(far.folder / "elsewhere"))
    for told in (far.fence(), far.probe()):
        assert told.verdict is Verdict.NOT_DONE
        assert "is state_dir the one in the controller's file?" in told.detail
    assert_untouched(far)


def test_what_is_allowed_is_read_from_the_controllers_own_file(far: FarSide) -> None:
    config = far.folder / "orders-db.yaml"
    method = f"{{kind: ssh, unit: {UNIT}}}"
    config.write_text(f"service: {SERVICE}\nstate_dir: {far.folder}/state\nfencing: {{methods: {{stop: {method}}}}}\n")
    far.let_in(helper=f"{HELPER} --config {config}", service="", unit="", state_dir="")
    assert far.fence(unit="sshd.service").verdict is Verdict.NOT_DONE
    assert far.fence().verdict is Verdict.DONE
    config.unlink()
    assert "cannot read" in far.fence().detail


# --- run, without the helper


def test_the_operators_command_counts_only_as_far_as_it_goes(far: FarSide) -> None:
    far.sshd.let_in("restrict")
    done = far.fence(run=["/bin/sh", "-c", f"kill -9 {far.service.pid} # '\"$x"])
    assert (done.verdict, done.detail) == (Verdict.DONE, "run ended with 0 on the right machine")
    with_launcher(far.folder / "near", _whole(far, None, False))
    with_launcher(far.folder / "near", _whole(far, "everything", True))


def _whole(far: FarSide, stops: str | None, whole: bool):  # type: ignore[no-untyped-def]
    async def story(launcher: Launcher) -> None:
        method = SshFence("stop", far.settings(run="/bin/x", stops=stops), launcher, {})
        assert method.traits.whole is whole
        assert SshFence("stop", far.settings(), launcher, {}).traits.whole

    return story


FAILURES = (
    ("exit 1", Verdict.NOT_DONE, "run ended with exit code 1"),
    ("exit 255", Verdict.UNKNOWN, "run ended with exit code 255"),
    ("kill -9 $$", Verdict.UNKNOWN, "run ended with exit code 137"),
    ("echo FAILOVERD-FENCED; exit 3", Verdict.UNKNOWN, "run ended with exit code 3"),
    ("sleep 78", Verdict.UNKNOWN, "run ended with exit code 124"),
)


def test_the_operators_command_may_fail_or_hang(far: FarSide) -> None:
    far.sshd.let_in("restrict")
    for line, verdict, words in FAILURES:
        far.timeout_s = 7.2
        result = far.fence(run=line)
        assert result.verdict is verdict
        assert words in result.detail
    assert not far.sshd.running("78")


def test_the_operators_command_is_not_run_on_another_machine(far: FarSide, tmp_path: Path) -> None:
    far.sshd.let_in("restrict")
    result = far.fence(strike_here(machine_id="other"), run=["touch", f"{tmp_path}/struck"])
    assert result.verdict is Verdict.NOT_DONE
    assert "this is another machine" in result.detail
    assert far.probe(run=["touch", f"{tmp_path}/struck"]).verdict is Verdict.DONE
    assert far.probe(strike_here(machine_id="other"), run="true").verdict is Verdict.NOT_DONE
    assert not (tmp_path / "struck").exists()


# --- by another host


def test_it_may_go_by_a_jump_host_and_says_if_that_does_not_let_it_through(far: FarSide) -> None:
    with Sshd() as jump:
        public = far.sshd.key.with_name("id.pub").read_text()
        with far.sshd.known_hosts.open("a") as known:
            known.write(jump.known_hosts.read_text())
        by = f"root@127.0.0.1:{jump.port}"
        jump.let_in(f'restrict,port-forwarding,permitopen="127.0.0.1:{far.sshd.port}"', public)
        assert far.probe(jump=by).verdict is Verdict.DONE
        jump.let_in("restrict", public)
        refused = far.fence(jump=by)
        assert refused.verdict is Verdict.NOT_DONE
        assert "does not let through" in refused.detail
    assert_untouched(far)


def test_a_plan_is_the_very_command_line(far: FarSide) -> None:
    async def story(launcher: Launcher) -> None:
        lines = SshFence("stop", far.settings(), launcher, {}).plan(strike_here())
        assert [line.name for line in lines] == ["ssh", "nonce", "then", "restore"]
        assert lines[0].value.startswith("ssh -T -n -F none -i ")
        assert f"unit={UNIT}" in lines[0].value

    with_launcher(far.folder / "near", story)


@contextmanager
def supervised(supervisor: ServerProcess, service: ServerProcess) -> Iterator[None]:
    """The supervisor runs; somebody waits for the service, as its supervisor would."""
    over = threading.Event()

    def wait() -> None:
        while not over.wait(0.02):
            _ = service.running

    waiting = threading.Thread(target=wait)
    supervisor.start()
    waiting.start()
    try:
        yield
    finally:
        over.set()
        waiting.join()
        for child in psutil.Process(supervisor.pid).children() if supervisor.pid else ():
            child.kill()
        supervisor.kill()


class _held:  # noqa: N801
    """A lock that another process of this host holds."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._process = subprocess.Popen(["flock", str(path), "sleep", "600"], start_new_session=True)
        eventually(
            lambda: subprocess.run(["flock", "-n", str(path), "true"], check=False).returncode == 1, 5, "it is held"
        )

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
