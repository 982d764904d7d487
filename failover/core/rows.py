"""All rows, gathered: importing this module fills the table."""

from failover.core import claim_rows, lock_rows, order_rows, service_rows, session_rows
from failover.core.table import ROWS

__all__ = ["ROWS", "claim_rows", "lock_rows", "order_rows", "service_rows", "session_rows"]
