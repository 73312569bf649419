"""The compiled operators beside their peers."""
