"""A teacher's attention maps are learned too; default_hooks.distillation.teacher and .checkpoint name it."""

default_hooks = dict(distillation=dict(type="DistillationHook", logits=0.0, features=10.0))
