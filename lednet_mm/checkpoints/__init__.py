"""Authors' networks and checkpoints: name tables, parity with their code, safe loading."""
