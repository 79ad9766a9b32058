"""The files that the project writes for itself: a class for each kind, one codec, one way onto the disk."""
