"""The networks: one file each, backbone and head, registered in MMSegmentation's ``MODELS``.

A network is added by adding its file: :mod:`lednet_mm.register` imports all that are here.
"""
