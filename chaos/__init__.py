"""Faults on real processes under load, and a ledger that says what came of it."""
