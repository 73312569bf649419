"""What a fleet reads: recordings, lists of them, and their ground truth."""
