"""Accuracy: scores from confusion matrices, further measures, robustness, and predictions as pictures."""
