"""Accuracy: class and category IoU from one confusion matrix."""
