"""The settings as frozen models, one module for each section of the file.

Attributes carry the names of the YAML keys; every duration is a float in seconds.
"""

from config.models.api import ApiSettings
from config.models.control import (
    CONTROL_KINDS,
    CommandControlSettings,
    ControlSettings,
    DemoteOrder,
    FollowHook,
    Hook,
    PolledHook,
    PositionHook,
    PromoteHook,
    PromoteOrder,
    SystemdControlSettings,
)
from config.models.fencing import (
    FENCER_KINDS,
    CommandMethodSettings,
    ControllerMethodSettings,
    FencingSettings,
    MethodSettings,
    WatchdogWaitMethodSettings,
)
from config.models.health import (
    PROBE_KINDS,
    CommandProbeSettings,
    DiskLimit,
    HealthSettings,
    HttpProbeSettings,
    ProbeSettings,
    ProcessProbeSettings,
    ResourceProbeSettings,
    SystemdProbeSettings,
    TcpProbeSettings,
)
from config.models.limits import LimitSettings, RetrySettings
from config.models.root import Config, Facts
from config.models.section import Section
from config.models.store import (
    STORE_KINDS,
    AuthSettings,
    LocalSettings,
    StoreSettings,
    ZooKeeperSettings,
)
from config.models.watchdog import WatchdogSettings

__all__ = [
    "CONTROL_KINDS",
    "FENCER_KINDS",
    "PROBE_KINDS",
    "STORE_KINDS",
    "ApiSettings",
    "AuthSettings",
    "CommandControlSettings",
    "CommandMethodSettings",
    "CommandProbeSettings",
    "Config",
    "ControlSettings",
    "ControllerMethodSettings",
    "DemoteOrder",
    "DiskLimit",
    "Facts",
    "FencingSettings",
    "FollowHook",
    "HealthSettings",
    "Hook",
    "HttpProbeSettings",
    "LimitSettings",
    "LocalSettings",
    "MethodSettings",
    "PolledHook",
    "PositionHook",
    "ProbeSettings",
    "ProcessProbeSettings",
    "PromoteHook",
    "PromoteOrder",
    "ResourceProbeSettings",
    "RetrySettings",
    "Section",
    "StoreSettings",
    "SystemdControlSettings",
    "SystemdProbeSettings",
    "TcpProbeSettings",
    "WatchdogSettings",
    "WatchdogWaitMethodSettings",
    "ZooKeeperSettings",
]
