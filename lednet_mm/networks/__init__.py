"""The networks: each has one file with its backbone and head, registered in MMSegmentation's ``MODELS``.

To add a network, add its file: :mod:`lednet_mm.register` imports every file in this package.
"""
