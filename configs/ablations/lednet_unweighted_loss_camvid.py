"""What does weighing the classes in the loss do?

ENet's paper introduced the weights for rare classes; expected: lower mIoU, higher pixel accuracy.
"""

_base_ = "../lednet_camvid.py"
variant = "unweighted_loss"
model = dict(class_weight=None)
