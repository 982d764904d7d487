"""failoverd's configuration: one YAML file -> frozen models, or every mistake with its place.

Knows nothing of stores, hooks or fencing at work: only what is written about them.
"""

from config.fingerprint import config_hash
from config.loading import Examined, examine, examine_text, load
from config.models import Config
from config.problems import ConfigError, Problem
from config.timing import LeaseTiming, lease_timing

__all__ = [
    "Config",
    "ConfigError",
    "Examined",
    "LeaseTiming",
    "Problem",
    "config_hash",
    "examine",
    "examine_text",
    "lease_timing",
    "load",
]
