"""`kind: command`: the exit code is the verdict; the script is told whom to strike, in Hadoop's words too."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from config.models.fencing import CommandMethodSettings
from failover.core.values import Node, Verdict
from failover.ports.service import Result, Strike
from failover.support.launcher import Launcher
from fencing.command import CommandFence
from tests.fencing.strikes import strike
from tests.servers.wait import eventually_async
from tests.support.hooks import lives, number_in, with_launcher

NODES = {
    "db1": {"address": "10.0.0.11", "bmc": "10.0.9.11"},
    "db2": {"address": "10.0.0.12", "bmc": "10.0.9.12", "plug": "4"},
}
SH = ("/bin/sh", "-c")


def settings_of(argv: tuple[str, ...], timeout_s: float, **more: object) -> CommandMethodSettings:
    timeout = f"{int(timeout_s * 1000)}ms"
    return CommandMethodSettings.model_validate({"kind": "command", "run": argv, "timeout": timeout, **more})


def fenced(
    state_dir: Path,
    *argv: str,
    told: Strike | None = None,
    timeout_s: float = 5.0,
    nodes: Mapping[str, Mapping[str, str]] = NODES,
) -> Result:
    settings = CommandMethodSettings.model_validate(
        {"kind": "command", "run": list(argv), "timeout": f"{int(timeout_s * 1000)}ms"}
    )

    async def story(launcher: Launcher) -> Result:
        return await CommandFence("hook", settings, launcher, nodes).fence(told or strike())

    return with_launcher(state_dir, story)


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("exit 0", Verdict.DONE),
        ("exit 1", Verdict.NOT_DONE),
        ("exit 2", Verdict.UNKNOWN),
        ("kill -9 $$", Verdict.UNKNOWN),
    ],
)
def test_the_exit_code_is_the_verdict(tmp_path: Path, line: str, verdict: Verdict) -> None:
    assert fenced(tmp_path, *SH, line).verdict is verdict


def test_what_does_not_end_in_time_is_ended_and_unknown(tmp_path: Path) -> None:
    result = fenced(tmp_path, *SH, "echo waiting for the device; sleep 60", timeout_s=0.3)
    assert result == Result(Verdict.UNKNOWN, "ended at its deadline: waiting for the device")


def test_what_is_missing_is_unknown(tmp_path: Path) -> None:
    result = fenced(tmp_path, "/nonexistent/fence")
    assert result.verdict is Verdict.UNKNOWN
    assert "No such file" in result.detail


def test_placeholders_are_filled_with_the_targets_facts(tmp_path: Path) -> None:
    result = fenced(tmp_path, "/bin/echo", "{node.name}", "{node.address}", "{node.bmc}/{node.plug}")
    assert result == Result(Verdict.DONE, "exit 0: db2 10.0.0.12 10.0.9.12/4")


def test_the_breadcrumbs_facts_come_before_the_configured_ones(tmp_path: Path) -> None:
    told = strike(facts={"bmc": "10.0.9.99", "address": "10.1.1.1"})
    result = fenced(tmp_path, "/bin/echo", "{node.address}", "{node.bmc}", "{node.plug}", told=told)
    assert result.detail == "exit 0: 10.1.1.1 10.0.9.99 4"


def test_without_an_address_fact_the_controllers_host_is_taken(tmp_path: Path) -> None:
    assert fenced(tmp_path, "/bin/echo", "{node.address}", nodes={}).detail == "exit 0: 10.0.0.12"


def test_a_fact_that_is_not_known_strikes_nobody(tmp_path: Path) -> None:
    """Nothing may be struck with a half-filled command."""
    result = fenced(tmp_path, "/bin/touch", f"{tmp_path}/struck", "{node.rack}")
    assert result.verdict is Verdict.UNKNOWN
    assert result.detail == "{node.rack} is not known: known are address, bmc, name, plug"
    assert not (tmp_path / "struck").exists()


def test_a_fact_cannot_run_a_command_of_its_own(tmp_path: Path) -> None:
    told = strike(facts={"bmc": f"x; touch {tmp_path}/broken-in"})
    assert fenced(tmp_path, *SH, "echo {node.bmc}", told=told).verdict is Verdict.DONE
    assert not (tmp_path / "broken-in").exists()


def test_other_braces_are_left_alone(tmp_path: Path) -> None:
    line = "echo a:b | awk -F: '{print $2}' | sed s/b/${target_host}/"
    assert fenced(tmp_path, *SH, line).detail == "exit 0: 10.0.0.12"


def test_a_script_written_for_hadoop_finds_its_names(tmp_path: Path) -> None:
    fenced(tmp_path, *SH, f"env > {tmp_path}/told")
    told = dict(line.split("=", 1) for line in (tmp_path / "told").read_text().splitlines())
    wanted = {
        "FAILOVER_SERVICE": "orders-db",
        "FAILOVER_NODE": "db1",
        "FAILOVER_EPOCH": "42",
        "FAILOVER_ATTEMPT": "7",
        "FAILOVER_REASON": "its session ended",
        "FAILOVER_OLD_ACTIVE": "db2",
        "target_host": "10.0.0.12",
        "target_port": "8300",
        "target_address": "10.0.0.12:8300",
        "target_nodeid": "db2",
    }
    assert {name: told[name] for name in wanted} == wanted


def test_another_machine_of_our_own_name_is_not_struck_through_our_own_facts(tmp_path: Path) -> None:
    """S7: after the host was replaced, db1's configured BMC is this host's."""
    replaced = strike(Node("db1", "machine-0"), address="10.0.0.11:8300")
    result = fenced(tmp_path, "/bin/touch", f"{tmp_path}/struck", "{node.bmc}", told=replaced)
    assert result.verdict is Verdict.UNKNOWN
    assert not (tmp_path / "struck").exists()


@pytest.mark.parametrize("argument", ["{node.name}", "{node.bmc}", "all"])
def test_a_command_that_would_hit_this_host_is_not_run(tmp_path: Path, argument: str) -> None:
    replaced = strike(Node("db1", "machine-0"), facts={"bmc": "10.0.9.11"})
    result = fenced(tmp_path, "/bin/touch", f"{tmp_path}/struck", argument, told=replaced)
    assert result.verdict is Verdict.UNKNOWN
    assert "it would strike this host" in result.detail
    assert not (tmp_path / "struck").exists()


def test_another_machine_of_our_own_name_is_struck_through_facts_of_its_own(tmp_path: Path) -> None:
    replaced = strike(Node("db1", "machine-0"), facts={"bmc": "10.0.9.200"})
    assert fenced(tmp_path, "/bin/echo", "{node.bmc}", told=replaced).detail == "exit 0: 10.0.9.200"


def test_cancelling_a_strike_ends_its_whole_group(tmp_path: Path) -> None:
    async def story(launcher: Launcher) -> int:
        line = f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/child; wait"
        strike_task = asyncio.create_task(
            CommandFence("hook", settings_of((*SH, line), 60.0), launcher, NODES).fence(strike())
        )
        child = await eventually_async(lambda: number_in(tmp_path / "child"), 5.0, "it strikes")
        strike_task.cancel()
        await asyncio.wait([strike_task])
        return child

    assert not lives(with_launcher(tmp_path, story))


def test_a_restore_whose_facts_are_not_known_is_not_run_and_breaks_nothing(tmp_path: Path) -> None:
    """The task of a restore that breaks would end the controller (S10), which is active by then."""
    settings = settings_of(("/bin/true",), 5.0, restore=["/bin/echo", "{node.rack}"])

    async def story(launcher: Launcher) -> Result:
        return await CommandFence("hook", settings, launcher, NODES).restore(strike())

    result = with_launcher(tmp_path, story)
    assert (result.verdict, result.detail[:26]) == (Verdict.NOT_DONE, "{node.rack} is not known: ")


@pytest.mark.parametrize("bmc", ["10.0.9.11", "10.0.9.99"])
def test_this_very_machine_under_the_name_that_it_had_before_is_not_struck(tmp_path: Path, bmc: str) -> None:
    """S7; a clone of it is, through facts of its own."""
    told = replace(strike(Node("old", "machine-1"), facts={"bmc": bmc}), own_machine=True)
    result = fenced(tmp_path, "/bin/echo", "{node.bmc}", told=told)
    assert result.verdict is (Verdict.UNKNOWN if bmc == NODES["db1"]["bmc"] else Verdict.DONE)
    assert ("would strike this host: old has this machine's id" in result.detail) == (bmc == NODES["db1"]["bmc"])
