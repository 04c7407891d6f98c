"""Training: the runner and its hooks, registered in MMEngine."""
