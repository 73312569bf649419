"""Sources of frames beyond a path: cameras, network streams, standard input, bags, globs."""
