"""A deterministic store in memory that behaves as ZooKeeper does, faults included: for simulations and tests."""

from failover.stores.simulated.clock import Cancellable, Clock, ManualClock
from failover.stores.simulated.ensemble import SimulatedEnsemble
from failover.stores.simulated.store import SimulatedStore

__all__ = ["Cancellable", "Clock", "ManualClock", "SimulatedEnsemble", "SimulatedStore"]
