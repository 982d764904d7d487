"""Running commands with a deadline, and the tiny HTTP client."""
