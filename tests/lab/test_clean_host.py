"""The Debian package on a Debian that nobody has touched: installed, one file edited, started, upgraded, purged.

The tests go from top to bottom, as an operator does.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.lab import clean_root, packages
from tests.lab.host import Host
from tests.lab.network import Network
from tests.lab.packages import FIRST, SECOND
from tests.lab.pair import LabZooKeeper
from tests.servers.wait import eventually

SERVICE = "orders-db"
UNIT = f"{SERVICE}.service"
CONFIG = f"/etc/failoverd/{SERVICE}.yaml"
SAMPLE = "/etc/failoverd/example.yaml.sample"
CONTROLLER = f"failoverd@{SERVICE}.service"
ENABLED = f"/etc/systemd/system/multi-user.target.wants/{CONTROLLER}"
INSTALL_S = 180.0

_MISSING = [*packages.missing(), *clean_root.missing()]
pytestmark = [
    pytest.mark.skipif("WHOLE_LAB" not in os.environ, reason="makes a whole Debian, which takes a minute: make lab"),
    pytest.mark.skipif(bool(_MISSING), reason=f"missing: {_MISSING}; scripts/install-test-needs installs it"),
]


@pytest.fixture(scope="module")
def clean(network: Network) -> Iterator[Host]:
    """A host with a service that is a unit, and nothing of ours."""
    try:
        root = clean_root.clean_root(packages.depends(packages.built(FIRST)))
    except clean_root.CannotBeMade as error:
        pytest.skip(f"no clean Debian could be made: {error}")
    with Host(network, 1, root=root) as host:
        host.write(f"/etc/systemd/system/{UNIT}", "[Service]\nExecStart=/usr/bin/python3 -m http.server 8080\n")
        host.must("systemctl", "daemon-reload")
        yield host


@pytest.fixture(scope="module")
def versions(clean: Host) -> dict[str, str]:
    return packages.put_packages(clean)


def apt(host: Host, *words: str) -> str:
    return host.must("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", *words, timeout_s=INSTALL_S)


def is_there(host: Host, path: str) -> bool:
    return host.run("test", "-e", path).returncode == 0


def status(host: Host) -> dict[str, Any]:
    told = host.run("failoverctl", "status", "--json")
    answer: dict[str, Any] = json.loads(told.stdout)["status"] if told.returncode == 0 else {}
    return answer


def edited(sample: str, zookeeper: LabZooKeeper) -> str:
    """The sample as an operator would change it: another service, another ZooKeeper, a unit in place of hooks."""
    yaml = YAML()
    file = yaml.load(sample)
    file["service"] = SERVICE
    file["store"].update(
        hosts=[zookeeper.hosts], root=f"/t-{secrets.token_hex(4)}", tick_time="200ms", session_timeout="12s"
    )
    file["control"] = {"kind": "systemd", "unit": UNIT}
    file["health"] = [{"kind": "systemd", "unit": UNIT}]
    out = StringIO()
    yaml.dump(file, out)
    return out.getvalue()


def test_the_package_installs_with_nothing_but_what_it_depends_on(clean: Host, versions: dict[str, str]) -> None:
    told = apt(clean, "install", versions[FIRST])
    assert "Traceback" not in told
    assert clean.must("failoverctl", "--version") == f"failoverctl {FIRST}\n"
    assert clean.must("failoverd", "--version") == f"failoverd {FIRST}\n"
    for page in ("man1/failoverctl.1.gz", "man8/failoverd.8.gz"):
        assert is_there(clean, f"/usr/share/man/{page}")
    assert "/usr/bin/failoverd /etc/failoverd/%i.yaml" in clean.must("systemctl", "cat", "failoverd@")
    assert clean.run("systemd-analyze", "verify", CONTROLLER).returncode == 0


def test_one_edited_file_is_all_that_a_start_needs_and_it_returns_once_the_election_is_joined(
    clean: Host, lab_zookeeper: LabZooKeeper
) -> None:
    clean.write(CONFIG, edited(clean.must("cat", SAMPLE), lab_zookeeper), 0o600)
    clean.must("failoverctl", "check-config", CONFIG)
    clean.must("failoverctl", "format")
    lab_zookeeper.pause()
    try:
        clean.must("systemctl", "enable", "--now", "--no-block", CONTROLLER)
        eventually(lambda: "store" in clean.show(CONTROLLER, "StatusText")[0], 30, "it says what it waits for")
        assert clean.show(CONTROLLER, "ActiveState") == ["activating"]
    finally:
        lab_zookeeper.resume()
    clean.must("systemctl", "start", CONTROLLER, timeout_s=60)
    assert clean.show(CONTROLLER, "ActiveState") == ["active"]
    eventually(lambda: clean.show(UNIT, "ActiveState") == ["active"], 20, "the service is promoted")
    eventually(lambda: "active" in clean.must("failoverctl", "status"), 10, "and told of")


def test_a_reload_reaches_the_controller(clean: Host) -> None:
    clean.must("systemctl", "reload", CONTROLLER)
    eventually(lambda: "SIGHUP: nothing was changed" in clean.journal(CONTROLLER), 10, "the file was read again")


def test_an_upgrade_moves_nothing(clean: Host, versions: dict[str, str]) -> None:
    before, pid = status(clean)["epoch"], clean.show(UNIT, "MainPID")
    apt(clean, "install", versions[SECOND])
    eventually(lambda: status(clean).get("version") == SECOND, 30, "the new version runs")
    assert "adopted: the controller was restarted" in clean.journal(CONTROLLER), clean.journal(CONTROLLER)
    assert (status(clean)["epoch"], clean.show(UNIT, "MainPID")) == (before, pid)
    assert not is_there(clean, f"/usr/lib/failoverd/{FIRST}")


def test_a_removal_demotes_and_leaves_the_configuration(clean: Host) -> None:
    apt(clean, "remove", "failoverd")
    assert clean.show(UNIT, "ActiveState") == ["inactive"]
    assert is_there(clean, CONFIG)
    assert is_there(clean, SAMPLE)
    for path in ("/usr/lib/failoverd", "/usr/bin/failoverctl", "/lib/systemd/system/failoverd@.service"):
        assert not is_there(clean, path)


def test_a_purge_leaves_what_the_operator_wrote_and_nothing_else(clean: Host) -> None:
    apt(clean, "purge", "failoverd")
    assert clean.must("ls", "/etc/failoverd").split() == [f"{SERVICE}.yaml"]
    assert clean.run("test", "-L", ENABLED).returncode == 1, "no link to a unit that is not there"
    assert "failoverd" not in clean.must("systemctl", "list-unit-files", "--no-legend")
