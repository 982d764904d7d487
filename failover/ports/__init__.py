"""What the runtime asks of the world, as Protocols. No implementation lives here."""
