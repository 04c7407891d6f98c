"""Studies: plan -> execute (local, Ray), and the statistics of their results."""
