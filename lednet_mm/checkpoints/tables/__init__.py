"""The name tables: each file is about one network or family and has its tables by vector name in ``TABLES``.

``lightnet.py`` and ``zh320.py`` have no tables, but rules that several tables share.
"""
