"""What people are told of timing: the worst cases under the session time-out that counts, in the log and the snapshot.

How they are reckoned, and what is safe, is others' matter: only telling is done here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

log = logging.getLogger("failoverd")

Figures = Mapping[str, float | None]
Told = tuple[str, Figures]
Reckon = Callable[[float], Told]


class Timetable:
    """`reckon(session time-out in seconds)` gives one line and the figures, in seconds.

    They are those of the time-out that was asked for until the servers have granted one.
    """

    def __init__(self, reckon: Reckon, asked_s: float) -> None:
        self._reckon = reckon
        self._session_s = asked_s
        self._said, self.figures = reckon(asked_s)

    def begin(self) -> None:
        """Say how it stands."""
        log.info("%s", self._said)

    def reckon_anew(self, reckon: Reckon) -> None:
        """The configuration was reloaded."""
        self._reckon = reckon
        self._said, self.figures = reckon(self._session_s)
        self.begin()

    def granted(self, session_s: float) -> None:
        """The servers granted this: told only if it changes anything."""
        said, self.figures = self._reckon(session_s)
        if said != self._said:
            log.warning("the store granted a session of %g s, not %g s: %s", session_s, self._session_s, said)
        self._said, self._session_s = said, session_s
