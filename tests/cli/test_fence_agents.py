"""failoverctl fence agents: what is installed, and what one takes in the words of our YAML."""

import json
import subprocess
import sys

import pytest

from config.documents import parse
from fencing.agent.discovery import installed
from tests.cli.conftest import REPOSITORY

pytestmark = pytest.mark.skipif(not installed(), reason="no fence agents (Debian: fence-agents)")


def ran(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "failover.cli", "fence", "agents", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPOSITORY)


def test_the_parameters_of_one_are_yaml_that_can_be_pasted() -> None:
    told = ran("fence_apc_snmp")
    assert told.returncode == 0
    method = parse(told.stdout).data["power"]
    assert method == {"kind": "agent", "agent": "fence_apc_snmp", "options": {"ip": "…", "plug": "…"}}
    assert "    # community: {file: /etc/failoverd/community.secret}" in told.stdout
    assert "action:" not in told.stdout


def test_the_parameters_of_one_are_told_to_programs() -> None:
    told = json.loads(ran("ipmilan", "--json").stdout)
    names = {each["name"]: each for each in told["parameters"]}
    assert names["ip"]["old_names"] == ["ipaddr"]
    assert "ipaddr" not in names
    assert "action" not in names
    assert {"off", "on", "status"} <= set(told["actions"])


def test_one_that_is_not_there_is_told_with_a_guess() -> None:
    told = ran("fence_ipmilann")
    assert told.returncode != 0
    assert 'did you mean "fence_ipmilan"?' in told.stderr
    assert "Traceback" not in told.stderr
