"""The only place that touches the private parts of other libraries, with one module for each library.

Each use has a test in ``tests/upstream`` that fails when a new version of the library changes it. The rest of
the package uses documented names only.
"""
