"""Focal loss with gamma 2 instead of cross entropy (arXiv:1708.02002)."""

loss = dict(type="FocalCrossEntropy", gamma=2.0)
