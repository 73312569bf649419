"""PQ, SQ, AQ, STQ, TQ and PAT."""
