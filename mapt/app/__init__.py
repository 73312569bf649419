"""What the commands run: tracking a source, drawing, histories, other formats of results."""
