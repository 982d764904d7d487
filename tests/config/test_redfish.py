"""`kind: redfish` in a file: BMCs and systems are judged as filled in for each node, and CA files are looked at."""

import os
from pathlib import Path

import pytest

from config import Config, load
from tests.config.conftest import GOOD, Files
from tests.servers.authority import Authority

NODES = """\
  db1: {address: 10.0.0.11, bmc: 10.0.9.11}
  db2: {address: 10.0.0.12, bmc: 10.0.9.12}
"""
POWER = '    power: {kind: command, run: [/bin/sh, "{node.bmc}"]}\n'


def text(db1: str, db2: str, method: str) -> str:
    """The small file with these facts and this method."""
    nodes = f"  db1: {{address: 10.0.0.11{db1}}}\n  db2: {{address: 10.0.0.12{db2}}}\n"
    power = f"    power: {{kind: redfish, user: f, password: {{env: PATH}}, {method}}}\n"
    return GOOD.replace(NODES, nodes).replace(POWER, power)


ONE_BMC_EACH = 'address: "{node.bmc}", system: /redfish/v1/Systems/1'
ONE_CHASSIS = 'address: 10.0.9.1, system: "/redfish/v1/Systems/{node.blade}"'


@pytest.mark.parametrize(
    ("db1", "db2", "method"),
    [
        (", bmc: 10.0.9.11", ", bmc: 10.0.9.12", ONE_BMC_EACH),
        (", bmc: 10.0.9.1", ', bmc: "10.0.9.1:8443"', ONE_BMC_EACH),
        (", blade: 1", ", blade: 2", ONE_CHASSIS),
    ],
)
def test_nodes_may_share_a_bmc_or_the_name_of_a_system_but_not_both(
    files: Files, db1: str, db2: str, method: str
) -> None:
    assert files.errors(text(db1, db2, method)) == []


@pytest.mark.parametrize(
    ("db1", "db2", "method", "where"),
    [
        (", bmc: 10.0.9.11", ", bmc: 10.0.9.11", ONE_BMC_EACH, "10.0.9.11:443 and system /redfish/v1/Systems/1"),
        (", bmc: BMC1", ', bmc: "https://bmc1:443"', ONE_BMC_EACH, "bmc1:443 and system /redfish/v1/Systems/1"),
        (", blade: 2", ", blade: 2/", ONE_CHASSIS, "10.0.9.1:443 and system /redfish/v1/Systems/2"),
        ("", "", "address: 10.0.9.1, system: /redfish/v1/Systems/1", "10.0.9.1:443 and system /redfish/v1/Systems/1"),
    ],
)
def test_two_nodes_with_the_same_system_of_the_same_bmc_are_refused(
    files: Files, db1: str, db2: str, method: str, where: str
) -> None:
    words = f"db1 and db2 have the same BMC {where}; fencing one would kill the other: give each its own"
    assert files.errors(text(db1, db2, method)) == [f"18:5: fencing.methods.power: {words}"]


def test_a_node_without_the_fact_is_named(files: Files) -> None:
    (error,) = files.errors(text(", bmc: 10.0.9.11", "", ONE_BMC_EACH))
    assert error.endswith(
        "fencing.methods.power.address: {node.bmc} cannot be filled in for db2; give each node the fact bmc"
    )


def test_a_fact_that_would_show_the_password_is_refused(files: Files) -> None:
    (error,) = files.errors(text(', bmc: "http://10.0.9.11"', ", bmc: 10.0.9.12", ONE_BMC_EACH))
    assert "for db1: http:// shows the password to the network; use https" in error


def test_a_ca_that_can_be_used_is_accepted_and_others_may_not_write_it(files: Files, tmp_path: Path) -> None:
    ca = Authority(tmp_path / "ca").path
    written = text(", bmc: 10.0.9.11", ", bmc: 10.0.9.12", f"{ONE_BMC_EACH}, ca: {ca}")
    assert files.errors(written) == []
    ca.chmod(0o666)
    (error,) = files.errors(written)
    assert error.endswith(f"{ca} may be changed by other users (mode 0666): they could fake OFF; chmod 644 {ca}")


def test_files_are_not_looked_at_where_nothing_may_be_read(files: Files) -> None:
    written = text(", bmc: 10.0.9.11", ", bmc: 10.0.9.12", f"{ONE_BMC_EACH}, ca: /nonexistent/ca.pem")
    assert isinstance(load(files.write(written), read_secrets=False), Config)


def test_a_ca_that_is_damaged_holds_no_certificate(files: Files, tmp_path: Path) -> None:
    ca = Authority(tmp_path / "ca").path
    ca.write_text(ca.read_text().replace("-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nAAAA"))
    (error,) = files.errors(text(", bmc: 10.0.9.11", ", bmc: 10.0.9.12", f"{ONE_BMC_EACH}, ca: {ca}"))
    assert f"{ca} holds no certificate that can be read" in error


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_ca_that_this_user_may_not_see_is_a_warning(files: Files, tmp_path: Path) -> None:
    ca = Authority(tmp_path / "ca").path
    ca.chmod(0)
    (warning,) = files.warnings(text(", bmc: 10.0.9.11", ", bmc: 10.0.9.12", f"{ONE_BMC_EACH}, ca: {ca}"))
    assert "run this as the controller's user (root)" in warning
