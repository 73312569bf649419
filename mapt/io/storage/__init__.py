"""Places for many files: folders, and object stores by fsspec."""
