"""What tests of Redfish share: settings as they are read from a file, and one question to one method."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from config.models.fencing import RedfishMethodSettings
from fencing.redfish.method import RedfishFence
from tests.servers.authority import Authority
from tests.servers.scripted_bmc import SYSTEM, Answer, ScriptedBmc
from tests.servers.secret import secret
from tests.servers.sushy import PASSWORD, USER, Sushy

T = TypeVar("T")


class Certificates:
    """A CA, and certificates in all the forms that a BMC may have one. Made once."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "ca")
        self.ca = self.authority.path
        self.other_ca = Authority(folder / "other").path
        self.good = self.authority.issue("good")
        self.expired = self.authority.issue("expired", days=-1)
        self.other_name = self.authority.issue("other-name", "DNS:bmc9.example,IP:192.0.2.9")


def settings_of(folder: Path, ca: Path | None, password: str = PASSWORD, **more: Any) -> RedfishMethodSettings:
    """With a short deadline."""
    keys = {
        "kind": "redfish",
        "address": "{node.bmc}",
        "system": "{node.system}",
        "user": USER,
        "password": secret(folder, password),
        "timeout": "10s",
        **({"ca": str(ca)} if ca else {}),
        **more,
    }
    return RedfishMethodSettings.model_validate(keys)


def fence_of(settings: RedfishMethodSettings, address: str, system: str) -> RedfishFence:
    """db2 has this BMC, db1 has another system of it."""
    nodes = {"db1": {"bmc": address, "system": f"{SYSTEM}0"}, "db2": {"bmc": address, "system": system}}
    return RedfishFence("power", settings, nodes)


def asked(settings: RedfishMethodSettings, bmc: Sushy, ask: Callable[[RedfishFence], Awaitable[T]]) -> T:
    """One question, db2 being the emulator's node-b."""

    async def story() -> T:
        async with asyncio.timeout(60):
            return await ask(fence_of(settings, bmc.address, bmc.system("node-b")))

    return asyncio.run(story())


def told(
    settings: RedfishMethodSettings,
    cert: tuple[Path, Path] | None,
    answer: Answer,
    ask: Callable[[RedfishFence], Awaitable[T]],
) -> tuple[T, ScriptedBmc]:
    """One question to a BMC that answers as the test wants."""

    async def story() -> tuple[T, ScriptedBmc]:
        async with asyncio.timeout(60), ScriptedBmc(cert, answer) as bmc:
            return await ask(fence_of(settings, bmc.address, SYSTEM)), bmc

    return asyncio.run(story())
