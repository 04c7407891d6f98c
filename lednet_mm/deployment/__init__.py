"""Deployment: what is left of a network when it is only used, and how it is exported."""
