"""Defines class sets, and reads and writes every format of labels."""
