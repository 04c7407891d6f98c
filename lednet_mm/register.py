"""Registers the networks, datasets, metrics and training parts in MMSegmentation; configs import this module.

It also sets what must be set before PyTorch starts (threads), so commands import it before anything that
imports PyTorch.
"""

import gc
from importlib import import_module
from pkgutil import iter_modules

from lednet_mm import environment

environment.prepare()

with environment.quiet_imports():
    from mmseg.utils import register_all_modules

    register_all_modules(init_default_scope=True)

from lednet_mm import datasets, evaluation, networks, training  # noqa: E402
from lednet_mm.checkpoints import loaders  # noqa: E402, F401

for _package in (networks, datasets, evaluation, training):
    for _module in iter_modules(_package.__path__):
        import_module(f"{_package.__name__}.{_module.name}")

# MMEngine looks through all objects each time that it lists a dataset; the present ones will stay anyway.
gc.collect()
gc.freeze()
