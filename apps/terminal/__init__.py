"""The terminal: commands typed in a browser, run in queue workers, their output streamed back."""
