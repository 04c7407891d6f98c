"""Timing: the latency of networks on engines, by one protocol."""
