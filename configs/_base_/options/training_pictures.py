"""A picture of input, truth and prediction of one training image every 500 iterations."""

default_hooks = dict(pictures=dict(type="TrainingPictureHook", interval=500))
