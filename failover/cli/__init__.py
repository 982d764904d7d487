"""`failoverctl`, the operator's command: asks the controller over its socket or the network, and works on files.

Decides nothing. Heavy imports happen inside the commands that need them: a simple one answers in well under 0.4 s.
"""
