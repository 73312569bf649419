"""Decides which mask continues which track."""
