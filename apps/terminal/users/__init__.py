"""Who uses the terminal, and what each may do."""
