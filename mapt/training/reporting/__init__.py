"""What a run tells: scores, logs, pictures."""
