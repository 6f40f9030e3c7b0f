"""`python -m safegrid` is the command line, also where no script is installed.

A run's jobs are called by it, and forked where the run has a server for them.
"""

import sys

from safegrid.runtime.forked_jobs import run_forked

if (status := run_forked(sys.argv[1:])) is not None:
    sys.exit(status)

from safegrid.cli import main

main()
