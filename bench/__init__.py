"""Benchmarks: one command, peers in the same run. See README.md."""
