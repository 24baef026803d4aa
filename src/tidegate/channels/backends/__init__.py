"""Where channels are kept."""
