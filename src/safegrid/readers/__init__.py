"""Raw files, row by row, with the line of every fault."""
