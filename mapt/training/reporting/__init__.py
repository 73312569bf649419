"""Reports a run's scores, logs and pictures."""
