"""LEDNet-MM: an experiment and ablation suite for real-time semantic segmentation on MMSegmentation.

Importing the package registers its networks, datasets, metrics and training parts in MMSegmentation.
"""

from lednet_mm import environment

environment.prepare()  # before anything imports PyTorch

with environment.quiet_imports():
    from mmseg.utils import register_all_modules

    register_all_modules(init_default_scope=True)

from lednet_mm import datasets, evaluation, networks, training  # noqa: E402

__all__ = ["datasets", "environment", "evaluation", "networks", "training"]
__version__ = "0.1.0"
