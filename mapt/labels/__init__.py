"""Class sets, and every format in which labels are read and written."""
