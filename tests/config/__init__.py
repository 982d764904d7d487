"""The tests of reading and checking failoverd's configuration."""
