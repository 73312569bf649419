"""What several trackers of a process use together."""
