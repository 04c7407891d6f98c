"""The networks: one file each, backbone and head, registered in MMSegmentation's ``MODELS``.

Importing this package imports every file in it: a network is added by adding its file.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
