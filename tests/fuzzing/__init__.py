"""Fuzzing what reads text and files from outside: `make fuzz SECONDS=3600`."""
