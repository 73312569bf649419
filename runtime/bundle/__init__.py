"""A bundle on disk, checked before anything in it is used."""
