"""What each process of an app runs."""
