"""A failure as the operator sees it: one line that says what happened and what to do next, and an exit code."""

from __future__ import annotations

from typing import Any

from failover.cli.exit_codes import ExitCode


class CommandFailed(Exception):
    """Ends the command with `code`. `problem` is the controller's own answer, for --json."""

    def __init__(self, message: str, next_step: str, code: ExitCode, problem: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.code = code
        self.problem = problem

    def line(self) -> str:
        """All in one line."""
        return f"{self.message}; next: {self.next_step}" if self.next_step else self.message

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        told: dict[str, Any] = {
            "ok": False,
            "error": self.message,
            "next": self.next_step,
            "exit_code": int(self.code),
            "exit": self.code.name.lower(),
        }
        return {**told, "problem": self.problem} if self.problem else told
