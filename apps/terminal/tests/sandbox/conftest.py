"""Fixtures of these tests."""

from apps.terminal.tests.places import lease, run, sandbox

__all__ = ["lease", "run", "sandbox"]
