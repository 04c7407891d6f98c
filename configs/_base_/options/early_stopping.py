"""The training ends when 10 validations in a row have not raised the best mIoU on val by 0.1 points."""

default_hooks = dict(early_stopping=dict(type="StopHook", monitor="mIoU", min_delta=0.1, patience=10))
