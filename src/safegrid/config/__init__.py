"""Typed configuration: the blocks that stages are given and the documents of a study.

`safegrid.config.load` reads them from files; this package's face is types only, so
that a stage's client imports no more than it needs.
"""

from safegrid.config.benchmark import BenchmarkSpec
from safegrid.config.block import Block
from safegrid.config.dataset import DatasetSpec
from safegrid.config.engine import BeamDecode, Decode, Decoding, EngineSpec
from safegrid.config.generated import (
    BestOfKSpec,
    CorrectionsSpec,
    RejectedByModelSpec,
    RequestsSpec,
)
from safegrid.config.judge import JudgeSpec
from safegrid.config.judge_entry import HeadSpec, JudgeEntry
from safegrid.config.lock import FetchSpec
from safegrid.config.prompt import PromptSpec
from safegrid.config.source import PartSpec, SourceSpec
from safegrid.config.study import BaseEntry, RecipeEntry, StudyEntry
from safegrid.config.training import Lora, Recipe, Training
from safegrid.config.world import World

__all__ = [
    "BaseEntry",
    "BeamDecode",
    "BenchmarkSpec",
    "BestOfKSpec",
    "Block",
    "CorrectionsSpec",
    "DatasetSpec",
    "Decode",
    "Decoding",
    "EngineSpec",
    "FetchSpec",
    "HeadSpec",
    "JudgeEntry",
    "JudgeSpec",
    "Lora",
    "PartSpec",
    "PromptSpec",
    "Recipe",
    "RecipeEntry",
    "RejectedByModelSpec",
    "RequestsSpec",
    "SourceSpec",
    "StudyEntry",
    "Training",
    "World",
]
