"""Typed configuration: the blocks that stages are given and the documents of a study.

`safegrid.config.load` reads them from files; this package's face is the blocks of
engines and judges, so that a stage's client imports no more than it needs.
"""

from safegrid.config.engine import BeamDecode, Decode, Decoding, EngineSpec
from safegrid.config.judge import JudgeSpec
from safegrid.config.judge_entry import HeadSpec
from safegrid.config.prompt import PromptSpec
from safegrid.config.source import SourceSpec

__all__ = [
    "BeamDecode",
    "Decode",
    "Decoding",
    "EngineSpec",
    "HeadSpec",
    "JudgeSpec",
    "PromptSpec",
    "SourceSpec",
]
