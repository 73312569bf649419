"""Long recordings: labels are saved piece by piece, with the state that the next begins in."""
