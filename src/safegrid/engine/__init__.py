"""Engines: processes that hold one model each and answer the requests of many cells.

`lease` gives a client of a running engine, `cache` keeps what was answered. The rest
is the engine itself (`server` and what it imports) and what starts, watches and ends
it. Only the engine's side imports torch.
"""
