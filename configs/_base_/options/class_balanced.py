"""Classes weighted by the effective number of their pixels in each batch (arXiv:1901.05555)."""

loss = dict(type="ClassBalancedCrossEntropy", beta=0.9999)
