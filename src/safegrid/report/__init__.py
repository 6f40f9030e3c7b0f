"""A study's tables and figures from its gathered scores; notebooks only call these.

Tables and figures share what reads and names scores, nothing else, so that editing
the plots leaves the tables as they are.
"""
