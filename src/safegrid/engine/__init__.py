"""Engines: processes that hold one model each and answer the requests of many cells.

`asking` answers a cell's questions from its cache, else by an engine that `lease` gives
it. `manager` starts and ends engines; `server` and what it imports is the engine
itself. Only that side imports torch.
"""
