"""Cost: parameters, multiply-adds, latency."""
