"""The terminal, from click to byte, beside Jupyter."""
