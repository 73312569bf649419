"""The index of an archive: a row for each recording, in Parquet."""
