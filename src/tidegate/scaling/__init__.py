"""Scaling: how many tasks a queue should have, and the orchestrator that brings that about."""
