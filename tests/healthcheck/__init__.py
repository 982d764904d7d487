"""Probes, and the monitor that asks them."""
