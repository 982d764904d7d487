"""What holds for any agent: which are found, what they are told, what becomes of one that hangs."""

import asyncio
import sys
from pathlib import Path

import pytest

from config.secrets import Secret, SecretReference
from failover.core.values import Node, Verdict
from failover.ports.service import Result, Traits
from failover.support.command import Outcome
from failover.support.launcher import Launcher
from fencing.agent import discovery, metadata
from fencing.agent.answers import listed, words_of
from fencing.agent.discovery import AgentError, find, installed
from fencing.agent.metadata import Metadata, metadata_of, read
from fencing.agent.method import AgentFence
from fencing.agent.options import OptionError, tell
from fencing.agent.turns import NotMyTurn, turn
from fencing.chain import Chain
from tests.fencing.agents import NODES, settings_of
from tests.fencing.strikes import OWN as OWN_NODE
from tests.fencing.strikes import strike
from tests.servers.secret import secret
from tests.servers.wait import eventually_async
from tests.support.hooks import lives, number_in, with_launcher

XML = """<?xml version="1.0" ?><resource-agent name="fence_own" shortdesc="Of the tests"><parameters>
<parameter name="ip" required="0" obsoletes="ipaddr"><content type="string"/><shortdesc>Where</shortdesc></parameter>
<parameter name="ipaddr" required="1" deprecated="1"><content type="string"/></parameter>
<parameter name="password" obsoletes="passwd"><content type="string"/></parameter>
<parameter name="passwd" deprecated="1"><content type="string"/></parameter>
<parameter name="plug"><content type="string"/></parameter>
<parameter name="ssl" ><content type="boolean" default="1"/></parameter>
<parameter name="lanplus"><content type="boolean" default="0"/></parameter>
</parameters><actions><action name="on"/><action name="off"/><action name="status"/>%s</actions></resource-agent>"""
OWN = read("fence_own", Path("/usr/sbin/fence_own"), (XML % '<action name="reboot"/>').encode())
# An agent whose `off` is a child in a session of its own, as pexpect's ssh is; each run leaves what it was told.
PROGRAM = """#!{python}
import os, subprocess, sys, time
told = sys.stdin.read()
folder = {folder!r}
action = told.strip().splitlines()[-1].partition("=")[2]
if action == "metadata":
    print({xml!r})
    sys.exit(0)
open(folder + "/told", "a").write(told + "--\\n")
open(folder + "/environment", "w").write("\\n".join(os.environ) + "\\n" + " ".join(sys.argv[1:]) + os.getcwd())
if action == "off" and os.path.exists(folder + "/hangs"):
    child = subprocess.Popen(["setsid", "sleep", "61"])
    open(folder + "/child", "w").write(str(child.pid) + "\\n")
    time.sleep(60)
if action == "off" and os.path.exists(folder + "/late"):
    open(folder + "/off", "w").close()
    print("Connection timed out, password=" + told.partition("password=")[2].splitlines()[0], file=sys.stderr)
    sys.exit(1)
if action == "off":
    open(folder + "/off", "w").close()
sys.exit(2 if action == "status" and os.path.exists(folder + "/off") else 0)
"""
PASSWORD = "c0rrect=horse battery"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with one agent, in place of the system's; what it was told is beside it."""
    folder = tmp_path / "sbin"
    folder.mkdir(mode=0o755)
    program = folder / "fence_own"
    xml = XML % '<action name="reboot"/>'
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(tmp_path), xml=xml))
    program.chmod(0o755)
    return tmp_path


def fenced(folder: Path, timeout: str = "10s", told: object = None) -> Result:
    options = {"ip": "{node.bmc}", "passwd": secret(folder, PASSWORD), "ssl": False, "lanplus": False}
    settings = settings_of("fence_own", options, timeout)

    async def story(launcher: Launcher) -> Result:
        return await AgentFence("own", settings, launcher, NODES, programs=[f"{folder}/sbin"]).fence(told or strike())  # type: ignore[arg-type]

    return with_launcher(folder, story)


def test_options_go_through_standard_input_with_the_action_last(own: Path) -> None:
    assert fenced(own) == Result(Verdict.DONE, "its device says OFF (off: exit 0)", saw_on=True)
    first, second, third, _ = (own / "told").read_text().split("--\n")
    lines = f"ip=127.0.0.1\npassword={PASSWORD}\nssl=0\naction="
    assert [first, second, third] == [f"{lines}{action}\n" for action in ("status", "off", "status")]


def test_an_agents_environment_is_small_and_its_arguments_are_empty(own: Path) -> None:
    fenced(own)
    *names, where = (own / "environment").read_text().splitlines()
    assert {"PATH", "LC_ALL", "FAILOVER_HOOK_ID"} <= set(names)
    assert not {"HOME", "CREDENTIALS_DIRECTORY"} & set(names)
    assert PASSWORD not in "".join(names)
    assert where == "/"


def test_an_agent_that_hangs_is_killed_with_its_children_at_the_deadline(own: Path) -> None:
    (own / "hangs").touch()
    result = fenced(own, "8s")
    assert (result.verdict, result.saw_on) == (Verdict.UNKNOWN, True)
    assert "the agent was killed; but its device says that it is ON" in result.detail
    assert number_in(own / "child")
    assert not lives(number_in(own / "child"))


def test_an_agent_is_killed_with_its_children_when_the_strike_is_cancelled(own: Path) -> None:
    (own / "hangs").touch()

    async def story(launcher: Launcher) -> int:
        method = AgentFence(
            "own", settings_of("fence_own", {"ip": "x"}, "60s"), launcher, NODES, programs=[f"{own}/sbin"]
        )
        striking = asyncio.create_task(method.fence(strike()))
        child = await eventually_async(lambda: number_in(own / "child"), 10, "off has begun")
        striking.cancel()
        await asyncio.wait([striking])
        return child

    assert not lives(with_launcher(own, story))


def test_an_agent_that_gave_up_too_early_is_asked_once_more_and_its_secret_is_masked(own: Path) -> None:
    (own / "late").touch()
    result = fenced(own)
    assert (result.verdict, result.saw_on) == (Verdict.DONE, True)
    assert result.detail.startswith("its device says OFF, after it said ON (off: it does not answer (exit 1, ")
    assert "horse" not in result.detail


def test_what_an_agent_would_ignore_is_not_handed_over(own: Path) -> None:
    for options, reason in (
        ({"ipadr": "x"}, "fence_own has no parameter ipadr"),
        ({"ip": "x", "ipaddr": "y"}, "ipaddr is given twice"),
        ({"ip": "{node.rack}"}, "{node.rack} is not known: known are address, bmc, name"),
        ({"ip": "x", "plug": "1,2"}, 'plug is "1,2": the agent would take it for several plugs'),
        ({"ip": "a\nb"}, "ip holds a line break or another control character"),
        ({"ip": "x", "action": "reboot"}, "fence_own has no parameter action"),
    ):
        with pytest.raises(OptionError) as told:
            tell(options, OWN, {"name": "db2", "address": "x", "bmc": "y"})
        assert str(told.value) == reason


def test_a_fact_with_a_line_break_strikes_nobody(own: Path) -> None:
    """A breadcrumb's fact must not add an option."""
    result = fenced(own, told=strike(facts={"bmc": "127.0.0.1\nplug=7"}))
    assert result.verdict is Verdict.NOT_DONE
    assert "ip holds a line break" in result.detail
    assert not (own / "told").exists()


def test_another_machine_of_our_own_name_is_not_struck_through_our_own_facts(own: Path) -> None:
    told = strike(Node("db1", "machine-0"), facts={"bmc": "10.0.9.11"})
    options = {"ip": "10.0.9.11"}

    async def story(launcher: Launcher) -> Result:
        return await AgentFence(
            "own", settings_of("fence_own", options), launcher, NODES, programs=[f"{own}/sbin"]
        ).fence(told)

    result = with_launcher(own, story)
    assert result.verdict is Verdict.NOT_DONE
    assert "it would strike this host" in result.detail
    assert not (own / "told").exists()


def test_this_very_machine_under_the_name_that_it_had_before_is_not_struck(own: Path) -> None:
    """S7: the breadcrumb of before it was renamed holds its own BMC."""
    nodes = {"db1": {"bmc": "10.0.9.11"}}
    told = strike(Node("old", OWN_NODE.machine_id), facts={"bmc": "10.0.9.11"})
    settings = settings_of("fence_own", {"ip": "{node.bmc}"})

    async def story(launcher: Launcher) -> Result:
        method = AgentFence("own", settings, launcher, nodes, programs=[f"{own}/sbin"])
        return await Chain({"own": method}, [["own"]], 20.0, OWN_NODE).run(told, proven)

    result = with_launcher(own, story)
    assert result.verdict is Verdict.NOT_DONE
    assert "it would strike this host: old has this machine's id" in result.detail
    assert not (own / "told").exists()


async def proven() -> bool:
    return True


def test_an_agent_that_others_may_write_is_refused(own: Path) -> None:
    program = own / "sbin" / "fence_own"
    program.chmod(0o757)
    with pytest.raises(AgentError, match="may be written by everybody"):
        find("fence_own", [f"{own}/sbin"])
    program.chmod(0o755)
    (own / "sbin").chmod(0o777)
    with pytest.raises(AgentError, match="may be written by everybody"):
        find("fence_own", [f"{own}/sbin"])
    result = fenced(own)
    assert result.verdict is Verdict.NOT_DONE
    assert not (own / "told").exists()


def test_an_agent_that_is_not_installed_has_done_nothing(own: Path) -> None:
    (own / "sbin" / "fence_own").unlink()
    result = fenced(own)
    assert result.verdict is Verdict.NOT_DONE
    assert result.detail.startswith("nothing was done: fence_own is not installed")


def test_s7_an_agent_that_only_cuts_off_ends_no_chain_alone_and_gives_nothing_back(own: Path) -> None:
    """The node lives on, and may serve on: given back its storage, there would be two that are active."""
    program = own / "sbin" / "fence_own"
    program.write_text(program.read_text().replace('<action name="reboot"/>', ""))

    async def story(launcher: Launcher) -> Traits:
        settings = settings_of("fence_own", {"ip": "x"}, restore=True)
        return AgentFence("own", settings, launcher, NODES, programs=[f"{own}/sbin"]).traits

    traits = with_launcher(own, story)
    assert (traits.power, traits.whole, traits.restores) == (False, False, False)


def test_a_fact_that_cannot_be_handed_over_is_refused_and_breaks_nothing(own: Path) -> None:
    """Whatever is in the breadcrumb: the peers that must fence its owner would all end at it."""
    result = fenced(own, told=strike(facts={"bmc": "\ud800"}))
    assert result.verdict is Verdict.NOT_DONE
    assert "ip holds half a character" in result.detail


def test_an_agent_whose_folder_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="cannot be looked at"):
        metadata_of("fence_own", [f"{tmp_path}/{'x' * 300}"])


def test_old_names_are_folded_and_required_by_either_name() -> None:
    assert sorted(OWN.parameters) == ["ip", "lanplus", "password", "plug", "ssl"]
    assert OWN.parameters["ip"].required
    assert OWN.parameter("ipaddr") is OWN.parameters["ip"]
    assert not OWN.fabric
    assert read("fence_own", Path("/x"), (XML % "").encode()).fabric


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no XML",
        b"<a><b></a>",
        b'<?xml version="1.0" encoding="none"?><a/>',
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
    ],
)
def test_metadata_that_cannot_be_read_is_told(text: bytes) -> None:
    with pytest.raises(AgentError, match="is no XML"):
        read("fence_own", Path("/x"), text)


def test_a_device_is_one_whatever_the_plug() -> None:
    def device(**options: object) -> str:
        return tell({"ip": "pdu", **options}, OWN, {}).device("fence_own")

    assert device(plug="1") == device(plug="2")
    assert device(plug="1") != device(plug="1", lanplus=True)


def test_two_actions_on_one_device_take_turns(tmp_path: Path) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        async with turn("pdu", tmp_path, loop.time() + 5):
            with pytest.raises(NotMyTurn):
                async with turn("pdu", tmp_path, loop.time() + 0.05):
                    pass
            async with turn("another", tmp_path, loop.time() + 5):
                pass
        async with turn("pdu", tmp_path, loop.time() + 5):
            pass

    asyncio.run(story())


def test_a_secret_is_in_no_repr(own: Path) -> None:
    told = tell({"password": Secret(SecretReference("file", "/x"), PASSWORD)}, OWN, {})
    assert PASSWORD not in repr(told)
    assert dict(told.shown())["password"] == "******"


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted"),
        ("2026-01-01 10:00:00,000 ERROR: Unable to connect/login to fencing device", "login refused"),
        ("Connection refused", "it refuses the connection"),
        ("ERROR: Unable to get PowerState: https://x", "the question was refused"),
        ("Failed: Timed out waiting to power OFF", "it took the order, but the power has stayed on"),
    ],
)
def test_an_agents_words_are_translated(errors: str, words: str) -> None:
    assert words_of(Outcome(exit_code=1, errors=errors), 10, frozenset()).startswith(words)


def test_plugs_are_listed_in_few_words() -> None:
    assert listed([(str(number), "") for number in range(1, 9)]) == "1-8"
    assert listed([("a", ""), ("b", "")]) == "a, b"
    assert listed([]) == "it is empty"


def test_every_installed_agent_tells_its_parameters_and_none_is_doubled() -> None:
    if not installed():
        pytest.skip("no fence agents (Debian: fence-agents)")
    for name in ("fence_apc_snmp", "fence_ipmilan", "fence_redfish", "fence_virsh", "fence_zvmip", "fence_brocade"):
        told: Metadata = metadata_of(name)
        assert "action" in told.parameters
        assert "ipaddr" not in told.parameters
        assert told.fabric == (name == "fence_brocade")
    assert discovery.NO_AGENTS.isdisjoint(installed())
    assert metadata._known
