"""Running commands with a deadline (`launcher`), what is on disk about them, and a tiny HTTP client.

Knows nothing of the domain but its three verdicts.
"""
