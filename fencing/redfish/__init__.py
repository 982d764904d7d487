"""`kind: redfish`: taking a host's power through its BMC, and reading it back.

Imported only where the kind is used.
"""
