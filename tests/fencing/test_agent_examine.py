"""What `check-config` says of fence agents, from the metadata of the installed ones."""

from pathlib import Path

import pytest

from config import examine
from fencing.agent.discovery import installed
from fencing.agent.examine import agent_findings
from tests.config.conftest import GOOD

pytestmark = pytest.mark.skipif(not installed(), reason="no fence agents (Debian: fence-agents)")

METHOD = '    power: {kind: command, run: [/bin/sh, "{node.bmc}"]}\n'


def said(folder: Path, agent: str, options: str, more: str = "") -> list[str]:
    """Every line for a method of that agent, without the file and the path that they share."""
    secret = folder / "bmc.secret"
    secret.write_text("s3cr3t\n")
    secret.chmod(0o600)
    written = options.replace("SECRET", f"{{file: {secret}}}")
    text = f"    power:\n      kind: agent\n      agent: {agent}\n      options: {{{written}}}\n{more}"
    file = folder / "failoverd.yaml"
    file.write_text(GOOD.replace(METHOD, text))
    lines = [str(problem) for problem in examine(file, True, agent_findings).problems]
    return [line.removeprefix(f"{file}:").replace("fencing.methods.power.", "") for line in lines]


def test_a_good_method_gives_no_line(tmp_path: Path) -> None:
    options = 'ip: "{node.bmc}", username: fencer, password: SECRET, lanplus: yes, cipher: "3"'
    assert said(tmp_path, "fence_ipmilan", options, "      action: off\n") == []


def test_every_mistake_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    options = "ipadr: x, login: a, username: b, lanplus: maybe, power_timeout: 20s, auth: sha, verbose: 1"
    assert said(tmp_path, "fence_ipmilan", options) == [
        "21:7: options: fence_ipmilan needs ip; IP address or hostname of fencing device",
        '21:17: options.ipadr: fence_ipmilan has no such parameter; did you mean "ipaddr"?',
        "21:27: warning: options.login: is an old name; write username",
        "21:37: options.username: is the same parameter as login; write username, once",
        '21:59: options.lanplus: is not a boolean: "maybe"; write true or false',
        '21:81: options.power_timeout: expected a whole number of seconds, found "20s"; without a unit',
        '21:92: options.auth: "sha" is not one of md5, password, none',
        "21:97: options.verbose: is set by the controller, not by you; take it out",
    ]


@pytest.mark.parametrize(
    ("agent", "options", "line"),
    [
        ("fence_ipmi", "ip: x", "20:14: agent: fence_ipmi is not installed"),
        ("fence_ipmilan", "ip: x, password: hunter2", "21:34: options.password: a secret must not be written here"),
        ("fence_ipmilan", "ip: x, method: cycle", "21:32: options.method: a power cycle cannot be read back"),
        ("fence_ipmilan", "ip: 'x '", "21:21: options.ip: ends with a blank, which the agent strips"),
        ("fence_ipmilan", "ip: '\"x\"'", "21:21: options.ip: begins and ends with a double quote"),
        ("fence_ipmilan", 'ip: "x\\naction=on"', "21:21: options.ip: holds a line break"),
        (
            "fence_apc_snmp",
            'ip: x, plug: "1,2"',
            "21:30: options.plug: holds a comma: the agent would take it for several",
        ),
        ("fence_apc_snmp", "ip: x", "21:7: options: fence_apc_snmp needs plug"),
        ("fence_redfish", "ip: x, username: y, password: SECRET", "21:7: options: fence_redfish needs systems_uri"),
        (
            "fence_redfish",
            "ip: x, username: y, systems_uri: /z, ssl_insecure: true",
            "21:68: options.ssl_insecure: anyone on the device's network could answer OFF for it",
        ),
        (
            "fence_zvmip",
            "ip: x, plug: y, username: z, password: SECRET",
            "21:7: options: fence_zvmip takes a misspelt plug for a node that is off",
        ),
        (
            "fence_virsh",
            "ip: x, plug: y, username: z, missing_as_off: true",
            "21:62: options.missing_as_off: a misspelt plug would look like a node that is off",
        ),
        ("fence_dummy", "type: file", "20:14: agent: fence_dummy does not fence: the node would live on"),
        (
            "fence_heuristics_ping",
            "ping_targets: x",
            "20:14: agent: fence_heuristics_ping cannot tell whether a node is off",
        ),
        ("fence_scsi", "devices: /dev/sdx", "20:14: agent: fence_scsi must also run on the node itself"),
    ],
)
def test_what_is_refused(tmp_path: Path, agent: str, options: str, line: str) -> None:
    lines = said(tmp_path, agent, options)
    assert [each for each in lines if each.startswith(line)], lines
    assert "hunter2" not in "".join(lines)


def test_a_node_whose_fact_would_be_misread_is_named(tmp_path: Path) -> None:
    good = GOOD.replace("db2: {address: 10.0.0.12, bmc: 10.0.9.12}", 'db2: {address: 10.0.0.12, bmc: "7,8"}')
    file = tmp_path / "failoverd.yaml"
    text = '    power: {kind: agent, agent: fence_apc_snmp, options: {ip: x, plug: "{node.bmc}"}}\n'
    file.write_text(good.replace(METHOD, text))
    (problem,) = examine(file, True, agent_findings).problems
    assert problem.message == 'for db2: plug is "7,8": the agent would take it for several plugs'


def test_a_time_out_shorter_than_the_agent_needs_is_a_warning(tmp_path: Path) -> None:
    (line,) = said(tmp_path, "fence_ipmilan", "ip: x", "      timeout: 10s\n")
    assert line == (
        "22:16: warning: timeout: is shorter than the agent may need: 27 s to log in and look 20 times; "
        "lengthen it, or set power_timeout (a number of looks) lower"
    )


def test_several_plugs_need_as_many_times_as_long(tmp_path: Path) -> None:
    (line,) = said(tmp_path, "fence_apc_snmp", "ip: x, plug: [7, 8], power_timeout: 5", "      timeout: 12s\n")
    assert "is shorter than the agent may need: 20 s to log in and look 5 times, for each of 2 plugs" in line


def test_insecure_tls_is_let_pass_where_that_is_written(tmp_path: Path) -> None:
    options = "ip: x, username: y, systems_uri: /z, ssl_insecure: true"
    (line,) = said(tmp_path, "fence_redfish", options, "      allow_insecure: true\n")
    assert line.startswith("21:68: warning: options.ssl_insecure: anyone on the device's network can answer OFF")


@pytest.mark.parametrize(
    ("action", "why"), [("reboot", "a reboot cannot be read back"), ("on", "the only action is off")]
)
def test_another_action_is_refused(tmp_path: Path, action: str, why: str) -> None:
    assert why in "".join(said(tmp_path, "fence_ipmilan", "ip: x", f"      action: {action}\n"))


@pytest.mark.parametrize("action", ["off", '"off"', "false"])
def test_off_is_off_however_it_is_written(tmp_path: Path, action: str) -> None:
    """For readers of YAML 1.1 `off` is false."""
    assert said(tmp_path, "fence_ipmilan", "ip: x", f"      action: {action}\n") == []


def test_a_host_without_any_agent_only_warns(tmp_path: Path) -> None:
    file = tmp_path / "failoverd.yaml"
    text = "    power: {kind: agent, agent: fence_ipmilan, options: {ip: x}}\n"
    file.write_text(GOOD.replace(METHOD, text))
    (problem,) = examine(file, True, lambda draft: agent_findings(draft, [str(tmp_path)])).problems
    assert problem.severity == "warning"
    assert "no fence agent is installed on this host" in problem.message


def test_an_agent_that_only_cuts_the_node_off_is_a_warning(tmp_path: Path) -> None:
    lines = said(tmp_path, "fence_ifmib", "ip: x, plug: 2")
    assert [line for line in lines if "fence_ifmib cuts the node off and leaves it alive" in line], lines
