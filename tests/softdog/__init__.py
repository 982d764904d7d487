"""A real softdog in a virtual machine of its own (`make softdog`); not part of the tests that run by themselves."""
