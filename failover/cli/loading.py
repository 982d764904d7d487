"""One way for commands to load the configuration file: every mistake is shown, then the command fails.

Knows no command.
"""

from __future__ import annotations

from pathlib import Path

from config import ConfigError, load
from config.models import Config
from failover.cli import printing
from failover.cli.exit_codes import ExitCode
from failover.cli.failures import CommandFailed


def load_config(file: Path) -> Config:
    """The configuration. Raises CommandFailed."""
    try:
        return load(file)
    except ConfigError as error:
        for problem in error.problems:
            printing.note(str(problem))
        message = f"{file} cannot be used: {len(error.problems)} mistakes"
        raise CommandFailed(message, "mend them, they are listed above", ExitCode.CONFIG_ERROR) from None
