"""Channels: named, bounded logs of events that clients subscribe to and resume."""
