"""Options of commands that work on many recordings."""
