"""Trains a network with the features of a narrower, trained one."""
