"""Studies: the plan of their runs, the scheduler, the engines that run them, and tuning."""
