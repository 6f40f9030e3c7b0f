"""Check that what stands in a study's documents is of the right kinds."""

from safegrid.config.benchmark import BenchmarkEntry, BenchmarkSpec
from safegrid.config.documents import check_kinds
from safegrid.config.sections import StudyDocuments
from safegrid.config.study import StudyEntry
from safegrid.config.training import Training


def check_shapes(documents: StudyDocuments) -> None:
    """Note values that cannot stand where they do, and take them out.

    What checks and merges read after this has the kinds that its keys ask for.
    """
    study, problems = documents.study, documents.problems
    check_kinds(StudyEntry, study, (), problems)
    for name in documents.section("benchmarks"):
        check_kinds(BenchmarkEntry, study, ("benchmarks", name), problems)
    check_kinds(Training, study, ("training",), problems)
    for name in documents.section("recipes"):
        check_kinds(Training, study, ("recipes", name, "training"), problems)
    for name in documents.benchmarks.data:
        check_kinds(BenchmarkSpec, documents.benchmarks, (name,), problems)
    for name in documents.methods.data:
        check_kinds(Training, documents.methods, (name,), problems)
