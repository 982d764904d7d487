"""What a stop is: a hand-over, or a pause between two controllers (`on_stop`).

Knows the configuration's word and the supervisor's; how either is done is the core's.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping

from config import Config
from failover.daemon.supervisor import restart_is_coming, supervised_unit

log = logging.getLogger("failoverd")


async def is_kept(config: Config, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether session and service are left to the next controller. Takes at most `supervisor.ASK_S` seconds."""
    if config.on_stop != "auto":
        return config.on_stop == "keep"
    unit = supervised_unit(environment)
    if not unit or config.store.kind == "local" or not config.control.tells_role:
        return False  # nobody says that another controller comes, or that one could not adopt anything
    kept = await restart_is_coming(unit)
    log.info("systemd %s %s: on_stop is auto", "restarts" if kept else "does not restart", unit)
    return kept


class Stopping:
    """Takes the first signal to stop, and asks for it once it is known what kind of stop it is."""

    def __init__(self, config: Callable[[], Config], request_stop: Callable[[bool], None]) -> None:
        self._config = config
        self._request_stop = request_stop
        self._asked: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """On the loop. Later signals change nothing: the stop is under way."""
        if self._asked is None:
            self._asked = asyncio.get_running_loop().create_task(self._stop())
            self._asked.add_done_callback(_surface)

    async def _stop(self) -> None:
        kept = await is_kept(self._config())
        asyncio.get_running_loop().call_soon(self._request_stop, kept)


def _surface(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        task.get_loop().call_exception_handler({"message": "the stop broke", "exception": error})
