"""Label smoothing of 0.1 in the cross entropy (arXiv:1512.00567)."""

loss = dict(type="WeightedCrossEntropy", label_smoothing=0.1)
