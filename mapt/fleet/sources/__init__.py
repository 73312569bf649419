"""What is tracked: recordings by their names, lists of them, and whether they are the same."""
