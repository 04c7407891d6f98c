"""The name tables: one file a network, or a family of them, with its tables by name in ``NETWORKS``.

Two files hold no table but what several share: ``lightnet.py`` and ``zh320.py``.
"""
