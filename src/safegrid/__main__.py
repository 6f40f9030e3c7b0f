"""`python -m safegrid` is the command line, also where no script is installed."""

from safegrid.cli import main

main()
