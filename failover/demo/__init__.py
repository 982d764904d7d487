"""`failoverctl demo`: three nodes on this host, one failover before your eyes, and a prompt to break them at will.

Light to import: the little service and the make-believe hosts live in this package too, and start in milliseconds.
"""


def main(argv: list[str]) -> int:
    """Run the demo with these arguments; the exit code: 0, 1 when something failed or a write was lost, 2 for usage."""
    from failover.demo.run import run

    return run(argv)
