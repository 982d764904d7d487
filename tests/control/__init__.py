"""Steering the service by commands."""
