"""Secrets as the configuration refers to them."""

from __future__ import annotations

from pathlib import Path


def secret(folder: Path, text: str) -> dict[str, str]:
    """A reference to a file that holds it, and that nobody else may read."""
    path = folder / f"secret-{abs(hash(text))}"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return {"file": str(path)}
