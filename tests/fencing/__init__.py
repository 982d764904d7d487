"""Fence methods, the chain, and what peers sign."""
