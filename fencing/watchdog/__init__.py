"""Self-fencing by a watchdog, and waiting for the one of another node."""
