"""Real servers for tests, ZooKeeper and Redis, and links that can be cut, frozen and delayed."""
