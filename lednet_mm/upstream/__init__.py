"""The only place that touches what other libraries keep to themselves, one module for each library.

Everything here has a test in ``tests/upstream`` that fails when the next version of the library moves it. The
rest of the package uses documented names alone.
"""
