"""Images as hosts have them, in their memory or a GPU's, made the network's input."""
