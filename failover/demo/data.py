"""What the little service keeps: values by key, in memory and in a log that a killed process leaves behind whole.

Knows neither clients nor roles. Nothing is synced to a disk: the log outlives the process, not the host.
"""

from __future__ import annotations

from pathlib import Path

Values = dict[str, str]


class Data:
    """Values and how many writes made them; the log is appended to before a write counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.values: Values = {}
        self.index = 0
        self.is_new = not path.exists()
        if not self.is_new:
            self._load()
        self._log = path.open("a", encoding="utf-8", buffering=1)

    def append(self, index: int, key: str, value: str) -> None:
        """Take the write of that number."""
        self._log.write(f"{index} {key} {value}\n")
        self.values[key] = value
        self.index = index

    def replace(self, index: int, values: Values) -> None:
        """Forget everything and take these: whatever the active never confirmed is gone."""
        fresh = self._path.with_suffix(".new")
        fresh.write_text("".join(f"{index} {key} {value}\n" for key, value in values.items()), "utf-8")
        fresh.rename(self._path)
        self._log.close()
        self._log = self._path.open("a", encoding="utf-8", buffering=1)
        self.values = values
        self.index = index

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _load(self) -> None:
        with self._path.open(encoding="utf-8") as log:
            for line in log:
                words = line.split()
                if line.endswith("\n") and len(words) == 3:  # the last line may have been cut off
                    self.values[words[1]] = words[2]
                    self.index = int(words[0])
