"""From camera pixels to a fused frame."""
