"""The far side of the fence method ssh on a host with a real systemd: what it ends stays down, Restart= or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.models.fencing import SshMethodSettings
from failover.core.values import Breadcrumb, Node, Verdict
from failover.ports.service import Result, Strike
from failover.support.fence_request import GIVEN
from failover.support.launcher import Launcher
from fencing.ssh import SshFence
from tests.lab.far_units import SERVICE, ask, sleepers
from tests.lab.host import Host
from tests.lab.pair import BIN, Pair
from tests.servers import sshd as sshd_server
from tests.servers.sshd import make_key
from tests.support.hooks import with_launcher


def test_units_that_are_always_restarted_are_ended_with_all_their_processes_and_stay_down(units: Host) -> None:
    host = units
    assert ask(host, "check")[0] == "FAILOVERD-COULD"
    assert sleepers(host) == ["900", "901", "902", "903", "904"]
    word, facts = ask(host, "fence")
    assert word == "FAILOVERD-FENCED", facts
    assert facts["by"] == "systemd"
    assert sleepers(host) == ["902"], "the unit that is nobody's business lives"
    assert host.must("cat", "/run/failoverd/orders/floor").strip() == "42"
    for unit in ("orders.service", "failoverd@orders.service"):
        assert host.show(unit, "ActiveState", "Job")[0] in ("inactive", "failed")
    host.must("systemctl", "start", "other.service")  # a turn of systemd's later, too
    assert sleepers(host) == ["902"]
    assert ask(host, "fence")[0] == "FAILOVERD-FENCED", "it may be asked twice"
    for gave in ("started", "runs"):
        word, facts = ask(host, "restore")
        assert (word, facts.get("gave")) == ("FAILOVERD-GIVEN", gave), facts
    assert sleepers(host) == ["902", "903", "904"], "the controller alone is given back, never the service (S8)"


def test_a_whole_strike_over_ssh_and_one_at_a_host_that_is_not_there(units: Host, tmp_path: Path) -> None:
    missing = sshd_server.missing()
    if missing:
        pytest.skip(f"no sshd to test against, missing: {', '.join(missing)}")
    host = units
    for name in ("id", "host"):
        make_key(tmp_path / name)
    line = f"{BIN}/failoverctl fence-local --from-ssh --service {SERVICE} --unit orders.service"
    host.write("/run/fence/host", (tmp_path / "host").read_text(), 0o600)
    host.write("/run/fence/authorized", f'restrict,command="{line}" {(tmp_path / "id.pub").read_text()}')
    host.write(
        "/run/fence/config",
        f"ListenAddress {host.address}:2222\nHostKey /run/fence/host\nAuthorizedKeysFile /run/fence/authorized\n"
        "StrictModes no\nUsePAM no\nPidFile /run/fence/pid\nPermitRootLogin prohibit-password\n",
    )
    host.must("mkdir", "-p", "/run/sshd")
    host.must("/usr/sbin/sshd", "-f", "/run/fence/config")
    known = f"[{host.address}]:2222 {(tmp_path / 'host.pub').read_text()}"
    (tmp_path / "known").write_text(known)
    settings = SshMethodSettings.model_validate(
        {
            "kind": "ssh", "user": "root", "key": str(tmp_path / "id"), "known_hosts": str(tmp_path / "known"),
            "port": 2222, "unit": "orders.service", "ports": (6399,), "connect_timeout": "2s", "timeout": "15s",
        }
    )  # fmt: skip
    ids = [host.must("cat", path).strip() for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id")]

    def at(address: str) -> Strike:
        crumb = Breadcrumb(Node("db2", ids[0]), 41, ids[1], f"{address}:8300")
        return Strike(SERVICE, "db1", crumb, 42, 7)

    async def story(launcher: Launcher) -> None:
        method = SshFence("stop", settings, launcher, {})
        gone = await method.fence(at(host.network.address(9)))
        assert gone.verdict is Verdict.NOT_DONE
        assert "the host is down, or the network is" in gone.detail
        assert (await method.probe(at(host.address))).verdict is Verdict.DONE
        assert len(sleepers(host)) == 5
        done = await method.fence(at(host.address))
        assert done == Result(Verdict.DONE, "controller and service are dead there, proven by their control groups")
        assert sleepers(host) == ["902"]
        given = await method.restore(at(host.address))
        assert given == Result(Verdict.DONE, "failoverd@orders.service is started there, and ready")
        assert sleepers(host) == ["902", "903", "904"]

    try:
        with_launcher(tmp_path / "near", story)
    finally:
        host.run("kill", host.must("cat", "/run/fence/pid").strip())


def test_a_unit_that_is_not_allowed_or_not_there_is_refused_and_nothing_is_touched(units: Host) -> None:
    word, facts = ask(units, "fence", unit="other.service")
    assert (word, facts["certain"]) == ("FAILOVERD-NOT", True)
    assert "other.service is not allowed here" in str(facts["why"])
    word, facts = ask(units, "fence", unit="absent.service")
    assert "systemd does not know absent.service here" in str(facts["why"])
    assert sleepers(units) == ["900", "901", "902", "903", "904"]


@pytest.mark.long
def test_the_shipped_unit_of_a_real_controller_is_ended_and_stays_down_until_it_is_given_back(pair: Pair) -> None:
    active, standby = pair.begin()
    epoch = int(active.status()["epoch"])
    options = ("--config", f"/etc/failoverd/{active.name}.yaml", "--controller", active.controller)

    def fence(under: int) -> tuple[str, dict[str, object]]:
        return ask(pair.host, "fence", active.unit, "cache", active.controller, under, options)

    word, facts = fence(epoch)
    assert (word, facts["certain"]) == ("FAILOVERD-NOT", True)
    assert "it is stale" in str(facts["why"]), "a late strike does not hit whoever is active under a newer epoch"
    assert active.role() == "active"
    word, facts = fence(epoch + 1)
    assert word == "FAILOVERD-FENCED", facts
    for unit in (active.controller, active.unit):
        state, pid = pair.host.show(unit, "ActiveState", "MainPID")
        assert state in ("inactive", "failed")
        assert pid == "0"
    pair.comes(standby.name, "active", 40)
    assert pair.host.show(active.controller, "ActiveState")[0] in ("inactive", "failed"), "Restart=always does not"
    assert int(standby.status()["epoch"]) > epoch

    def given() -> bool:  # asked again while it gets ready, as a peer does
        return ask(pair.host, "restore", active.unit, "cache", active.controller, epoch + 1, options)[0] == GIVEN

    pair.eventually(given, 60, "its controller is ready again")
    assert pair.host.show(active.unit, "MainPID")[0] == "0", "the service is nobody's but the controller's to start"
    pair.comes(active.name, "standby")
