"""Hosts with a real systemd as PID 1, each with its own root and network, on this machine."""
