"""Where queues are kept."""
