"""Cross entropy of the hardest pixels: p <= 0.7, at least 1/16 of them (OHEM, arXiv:1604.03540)."""

loss = dict(type="OHEMCrossEntropy", threshold=0.7, least=1 / 16)
