"""Reads labelled datasets, turns them into training samples, and checks them."""
