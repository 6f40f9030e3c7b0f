"""What every room stands on: errors, files, records, artifacts with their seals."""
