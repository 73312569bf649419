"""The MAPT network: backbone, pyramid and four heads."""
