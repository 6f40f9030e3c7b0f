"""The foundation of the package: errors, files, records, artifacts and their seals."""
