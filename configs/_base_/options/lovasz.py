"""Lovász-Softmax loss instead of cross entropy (arXiv:1705.08790)."""

loss = dict(type="LovaszSoftmax")
