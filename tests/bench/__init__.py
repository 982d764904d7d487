"""Measures failovers against the store's own floor; `python -m tests.bench`."""
