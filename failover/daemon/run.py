"""Runs one controller: takes the state folder, ends old hooks, wires the parts, waits for the end.

The order matters. S9's lock comes first; recorded hooks are ended before the store is touched (S4); the API listens
before the controller campaigns, because a peer may demand a demote at once.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading

from config import Config
from failover.daemon.compose import Parts, compose
from failover.daemon.exit_codes import ExitCode
from failover.daemon.fail_stop import FailStop
from failover.daemon.identity import IdentityError
from failover.daemon.notify import Supervisor, Teller
from failover.daemon.reload import Examine, Reloader
from failover.daemon.state_folder import StateFolder, StateFolderError
from failover.daemon.stopping import Stopping
from failover.runtime.watchdog import LoopWatchdog
from failover.support.deferred_models import models_built_when_used
from failover.support.launcher import LauncherError

log = logging.getLogger("failoverd")

LONGEST_STOP_S = 10.0


class _Ending:
    """Why and how the controller ends; the first word counts, except that a fail-stop overrides."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.code = int(ExitCode.STOPPED)

    def say(self, code: int, reason: str) -> None:
        if not self.reached.is_set():
            self.code = code
            level = logging.INFO if code == ExitCode.STOPPED else logging.ERROR
            log.log(level, "ending with exit code %d: %s", code, reason)
            self.reached.set()


def run(config: Config, version: str, examine: Examine) -> int:
    """Run until the end; returns the exit code. `examine` reads the file again, at a SIGHUP."""
    folder = StateFolder(config.state_dir / config.service)
    try:
        folder.take()
        return asyncio.run(_main(config, folder, version, examine))
    except (StateFolderError, IdentityError, LauncherError) as error:
        log.error("%s", error)
        return ExitCode.FAILED


async def _main(config: Config, folder: StateFolder, version: str, examine: Examine) -> int:
    with models_built_when_used():
        from failover.api.server import ListenError

    loop = asyncio.get_running_loop()
    ending = _Ending()
    parts = await compose(config, folder, version, ending.say)
    gc.enable()
    fail_stop = FailStop(folder.path, parts.works.controller.dump)
    loop.set_exception_handler(lambda _, context: fail_stop.on_exception(context))
    threading.excepthook = lambda raised: fail_stop.now(f"a thread ended: {raised.exc_value}", raised.exc_value)
    parts.works.launcher.lost.add_done_callback(lambda lost: _launcher_lost(fail_stop, ending, lost))
    watchdog = LoopWatchdog(lambda: parts.works.controller.beats, lambda: fail_stop.now("the event loop is stuck"))
    teller = Teller(parts.works.controller, Supervisor())
    reloader = Reloader(parts.works, config, version, examine, teller)
    stopping = Stopping(lambda: reloader.config, parts.works.controller.request_stop)

    def begin_to_stop() -> None:
        teller.stopping("told to stop")
        stopping.begin()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, begin_to_stop)
    telling = loop.create_task(_tell(teller))
    loop.add_signal_handler(signal.SIGHUP, lambda: log.warning("SIGHUP: not yet, the controller is starting"))
    try:
        await parts.server.start()
        log.info("failoverd %s for %s on %s, pid %d", version, config.service, config.node, os.getpid())
        await parts.works.controller.start()
        loop.add_signal_handler(signal.SIGHUP, reloader.begin)
        watchdog.start()
        if "systemd" in (config.control.kind, *(probe.kind for probe in config.health)):
            from failover.daemon.unit_rules import warn_of_units

            await asyncio.to_thread(warn_of_units, config)
        if "agent" in (method.kind for method in config.fencing.methods.values()):
            from fencing.agent.examine import warn_of_agents

            await asyncio.to_thread(warn_of_agents, config)
        gc.collect()
        gc.freeze()  # what is there now stays: no later collection looks at it again, least of all in a failover
        await ending.reached.wait()
    except ListenError as error:
        log.error("%s", error)
        ending.code = ExitCode.FAILED
    watchdog.stop()
    telling.cancel()
    teller.stopping("ending")
    await _close(parts)
    return ending.code


async def _tell(teller: Teller) -> None:
    """Keep the supervisor informed; a loop that is stuck tells nothing, which is what its watchdog waits for."""
    while True:
        teller.beat()
        await asyncio.sleep(teller.every_s)


async def _close(parts: Parts) -> None:
    try:
        async with asyncio.timeout(LONGEST_STOP_S):
            await parts.works.controller.close()
            await parts.server.stop()
            await parts.works.launcher.close()
    except TimeoutError:
        log.error("not everything ended in %.0f s; ending all the same", LONGEST_STOP_S)
    parts.works.store.shut_down()


def _launcher_lost(fail_stop: FailStop, ending: _Ending, lost: asyncio.Future[str]) -> None:
    if not ending.reached.is_set() and not lost.cancelled():
        fail_stop.on_lost_launcher(lost.result())
