"""Files, folders, images, videos and frame sources."""
