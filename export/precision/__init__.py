"""Lowers heads to fp16 or int8 as far as accuracy allows."""
