"""The layouts of public datasets."""
