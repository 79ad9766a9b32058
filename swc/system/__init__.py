"""What swc needs of the machine it runs on: its cache, its shipped files, its child processes."""
