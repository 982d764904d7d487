"""Whole clusters in one process, by seed: the real core, engine and lease; everything around them is simulated.

Deliberately not simulated: YAML, the REST API, real hooks and devices. `python -m tests.simulation --help`.
"""
