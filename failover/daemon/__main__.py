"""`failoverd CONFIG`: the daemon. Exit codes are in `failover.daemon.exit_codes`."""

from __future__ import annotations

import gc
import logging
import sys
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from failover.daemon.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from config.draft import Draft
    from config.loading import Examined
    from config.problems import Finding


def package_version() -> str:
    """The installed version, or 0 in a bare checkout."""
    try:
        return version("failoverd")
    except PackageNotFoundError:
        return "0"


def main() -> None:
    """Read the command line, load the configuration, run until told to stop."""
    path, verbose = _command_line(sys.argv[1:])
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    for noisy in ("asyncio", "kazoo", "failoverd.store", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    sys.exit(_run(path))


def _command_line(words: list[str]) -> tuple[Path, bool]:
    """The configuration file, and whether to log every event. Exits by itself on --help, --version and mistakes."""
    if len(words) == 1 and not words[0].startswith("-"):  # as the unit says it: 0.4 MB less than with argparse
        return Path(words[0]), False
    import argparse

    parser = argparse.ArgumentParser(prog="failoverd", description="The failover controller of one service.")
    parser.add_argument("config", type=Path, help="the YAML file; check it first: failoverctl check-config FILE")
    parser.add_argument("--verbose", action="store_true", help="log every event, not only what changes")
    parser.add_argument("--version", action="version", version=f"failoverd {package_version()}")
    options = parser.parse_args(words)
    return options.config, options.verbose


def _run(path: Path) -> int:
    gc.disable()  # until `run` has made its parts: looking through what stays anyway is a seventh of a start
    from config import ConfigError, load

    try:
        config = load(path)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the operator's terminal
        only_fencing = {problem.path.split(".")[0] for problem in error.problems} == {"fencing"}
        return ExitCode.NO_FENCING if only_fencing else ExitCode.CONFIG
    for warning in config.warnings:
        logging.getLogger("failoverd").warning("%s", warning)
    _forget_yaml()
    from failover.daemon.run import run  # now, not before: it takes the memory that reading the file left free

    return run(config, package_version(), partial(_examine_again, path))


def _examine_again(path: Path) -> Examined:
    from config.loading import examine

    try:
        return examine(path, True, _agents)
    finally:
        _forget_yaml()


def _agents(draft: Draft) -> Iterable[Finding]:
    """Agents are asked for their metadata here, in a thread of its own: the loop finds it known."""
    if draft.fencing is None or "agent" not in {method.kind for method in draft.fencing.methods.values()}:
        return ()
    from fencing.agent.examine import agent_findings

    return agent_findings(draft)


def _forget_yaml() -> None:
    """The parser is not needed again before a reload, which loads it anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "ruamel"]:
        del sys.modules[name]
    gc.collect()


if __name__ == "__main__":
    main()
