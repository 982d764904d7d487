"""What a strike has stopped on this host, and so owes: one note for each controller's unit, of the newest strike.

The notes are root's own, in a folder that no controller's user may write, and gone with the boot they speak of. Knows
no systemd: states are told to it.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

FOLDER = Path("/run/failoverd-fence")
_LARGEST = 4096


@dataclass(frozen=True, slots=True)
class Stopped:
    """A unit that was up when a strike of `epoch` came.

    `invocation`: the life that it ended. `enabled`: as it was. `given`: it has run again since.
    """

    unit: str
    boot: str
    epoch: int
    invocation: str
    enabled: str
    given: bool = False

    def is_untouched(self, boot: str, invocation: str) -> bool:
        """Nobody has started it since. systemd forgets the life of one that ended well and is not enabled: ""."""
        return not self.given and self.boot == boot and invocation in ("", self.invocation)


def remember(stopped: Stopped) -> None:
    """Written before the unit is stopped: a strike that is killed in the middle owes it all the same."""
    with contextlib.suppress(OSError):  # then it stays down, which is told; the strike itself must go on
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        new = FOLDER / f"{stopped.unit}.new"
        new.write_text(json.dumps(asdict(stopped)), "utf-8")
        new.rename(FOLDER / stopped.unit)


def pass_on(unit: str, boot: str, invocation: str, epoch: int) -> None:
    """A strike has found it down. If an older one has ended just this life, the newer one owes it now; else nobody."""
    old = recall(unit)
    if old is not None and old.is_untouched(boot, invocation):
        remember(replace(old, epoch=epoch))
    else:
        with contextlib.suppress(OSError):
            os.unlink(FOLDER / unit)


def recall(unit: str) -> Stopped | None:
    """The note; None: there is none that can be read."""
    try:
        with open(FOLDER / unit, "rb") as file:
            told = json.loads(file.read(_LARGEST))
        found = Stopped(**told)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    words = (found.unit, found.boot, found.invocation, found.enabled)
    return found if isinstance(found.epoch, int) and all(isinstance(word, str) for word in words) else None
