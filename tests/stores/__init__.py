"""Tests of the stores: one contract for all of them, and each one's own traps."""
