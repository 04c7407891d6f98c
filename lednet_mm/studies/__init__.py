"""Studies: plan -> execute (local, Ray)."""
