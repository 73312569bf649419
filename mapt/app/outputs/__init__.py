"""What `mapt track --save` writes of a sequence: one file for each kind of output."""
