"""Deployment: the form of a network that is used for inference only, and its export."""
