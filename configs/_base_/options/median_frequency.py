"""Class weights by median frequency (arXiv:1411.4734) instead of the dataset's own."""

weighting = "median"
