"""The tests of failoverd, a package so that `python -m tests.simulation` runs from the checkout."""
