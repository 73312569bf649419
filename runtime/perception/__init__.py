"""Turns camera pixels into a fused frame."""
