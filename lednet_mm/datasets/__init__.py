"""Datasets, loading transforms and samplers that MMSegmentation lacks."""
