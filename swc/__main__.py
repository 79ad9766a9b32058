"""`python -m swc`."""

from swc.cli.main import main

main()
