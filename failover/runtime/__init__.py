"""The shell around the core: one inbox, one turn of `step` at a time, ordered lanes, deadlines, the lease.

Unknown here: which store, which service, which fence method. They arrive as arguments.
"""
