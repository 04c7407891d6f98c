"""Accuracy: class and category IoU from one confusion matrix."""

from lednet_mm.evaluation.metric import Accuracy, ConfusionMatrixMetric

__all__ = ["Accuracy", "ConfusionMatrixMetric"]
