"""A teacher's logits are learned too; default_hooks.distillation.teacher and .checkpoint name it."""

default_hooks = dict(distillation=dict(type="DistillationHook", logits=1.0, temperature=4.0))
