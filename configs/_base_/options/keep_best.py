"""The weights that are best on val are kept too; tests and reports use the last ones as before."""

default_hooks = dict(checkpoint=dict(save_best="mIoU", rule="greater"))
