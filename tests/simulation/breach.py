"""What a checker raises when a rule was broken, and nothing else."""


class Breach(Exception):
    """A rule was broken in the simulated world."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule


def need(fact: bool, rule: str, text: str) -> None:
    """Raise Breach unless the fact holds."""
    if not fact:
        raise Breach(rule, text)
