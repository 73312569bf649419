"""Defines the MAPT network: a backbone, a pyramid, and four heads with their losses."""
