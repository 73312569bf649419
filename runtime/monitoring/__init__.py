"""Time, alarms and health."""
