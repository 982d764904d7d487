"""The demo, from its parts to the whole."""
