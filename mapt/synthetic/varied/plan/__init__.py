"""Plans a varied street: its sides, what stands there, and its traffic."""
