"""What was measured, for screens, browsers and the README."""
