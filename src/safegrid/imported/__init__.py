"""From published raw files to a table, without any study: verdicts of elsewhere.

Composes functions of several rooms, which meet through the files of an import's folder:
`prompts.parquet`, `verdicts/{judge}.parquet` and `manifest.json`.
"""
