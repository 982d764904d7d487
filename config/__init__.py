"""failoverd's configuration: one YAML file -> frozen models, or every mistake with its place.

Knows nothing of stores, hooks or fencing at work: only what is written about them.
"""

from config.fingerprint import config_hash
from config.loading import Examined, examine, examine_text, load
from config.models import Config
from config.problems import ConfigError, Problem
from config.timing import FailoverTiming, LeaseTiming, failover_timing, lease_timing

__all__ = [
    "Config",
    "ConfigError",
    "Examined",
    "FailoverTiming",
    "LeaseTiming",
    "Problem",
    "config_hash",
    "examine",
    "examine_text",
    "failover_timing",
    "lease_timing",
    "load",
]
