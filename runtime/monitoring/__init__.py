"""Deadlines, timestamps, alarms and health."""
