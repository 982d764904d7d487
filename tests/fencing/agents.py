"""What tests of fence agents share: settings as they are read from a file, and one question to one method."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from config.models.fencing import AgentMethodSettings
from failover.ports.service import Result
from failover.support.launcher import Launcher
from fencing.agent.method import AgentFence
from fencing.chain import Chain
from tests.fencing.strikes import OWN, strike
from tests.servers.ipmi import PASSWORD, USER, Bmc
from tests.servers.ports import LOOPBACK
from tests.servers.secret import secret
from tests.support.hooks import with_launcher

T = TypeVar("T")
NODES = {"db1": {"address": "10.0.0.11"}, "db2": {"address": "10.0.0.12", "bmc": LOOPBACK, "outlet": "2"}}


def settings_of(agent: str, options: dict[str, Any], timeout: str = "20s", **more: Any) -> AgentMethodSettings:
    return AgentMethodSettings.model_validate(
        {"kind": "agent", "agent": agent, "options": options, "timeout": timeout, **more}
    )


def ipmi(folder: Path, bmc: Bmc, password: str = PASSWORD, **more: Any) -> AgentMethodSettings:
    """Of a BMC that lets us in."""
    options = {
        "ip": "{node.bmc}",
        "ipport": bmc.port,
        "username": USER,
        "password": secret(folder, password),
        "lanplus": True,
        "cipher": "3",
        "power_wait": 0,
        **more.pop("options", {}),
    }
    return settings_of("fence_ipmilan", options, **more)


def asked(folder: Path, settings: AgentMethodSettings, ask: Callable[[AgentFence], Awaitable[T]]) -> T:
    """One question to a method of its own."""

    async def story(launcher: Launcher) -> T:
        async with asyncio.timeout(60):
            return await ask(AgentFence("power", settings, launcher, NODES, folder / "turns"))

    return with_launcher(folder, story)


def chained(folder: Path, settings: AgentMethodSettings) -> Result:
    """One strike by a chain whose only method it is, and which nobody has told of that device before."""

    async def proven() -> bool:
        return True

    async def ask(method: AgentFence) -> Result:
        return await Chain({"power": method}, [["power"]], 50.0, OWN).run(strike(), proven)

    return asked(folder, settings, ask)
