"""Launchers: what starts and stops tasks."""
