"""The name tables: one file per network or family, with the tables by the vectors' names in ``TABLES``.

Two files hold no table but what several share: ``lightnet.py`` and ``zh320.py``.
"""
