"""Build and run folders: what the commands leave for each other."""
