"""One file per contender; each runs in its own virtual environment."""
