"""Which mask continues which track."""
