"""The HTTP API of the terminal, one module per resource."""
