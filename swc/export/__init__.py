"""Taking members away: files that need nothing of this project."""
