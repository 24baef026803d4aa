"""What a process says of itself: metrics and logs, every name in one place."""
