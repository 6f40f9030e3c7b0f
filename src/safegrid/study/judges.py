"""Judges: their models, the order of their jobs, what they are measured on."""

import json
from itertools import combinations

from safegrid.study.grid import Model
from safegrid.study.models import ModelFiles
from safegrid.study.sources import SourceFiles


class JudgeFiles(ModelFiles, SourceFiles):
    """A study, asked for its judges."""

    @property
    def judges(self) -> list[str]:
        """The judges that this study asks."""
        return sorted({j for spec in self.asked.values() for j in spec.judges})

    @property
    def encoders(self) -> list[str]:
        """The encoders whose vectors its judges read."""
        entries = (self.config.judges[judge] for judge in self.judges)
        return sorted({entry.encoder for entry in entries if entry.encoder})

    def encoder_dir(self, encoder: str) -> str:
        """The folder of an encoder."""
        return f"results/encoders/{encoder}"

    def judge_block(self, judge: str) -> str:
        """How a judge is read, as judging is given it."""
        return self.config.judges[judge].spec().model_dump_json()

    def judge_engine(self, judge: str, base: str) -> str:
        """The engine of a judge's model; of a text head's encoder our own."""
        engine = self.engine(self.judge_base(judge, base))
        if self.config.judges[judge].method == "text_head":
            engine = engine.of_encoders()
        return engine.model_dump_json()

    def own_engine(self, judge: str) -> str:
        """The engine of a judge that is no base, or of its encoder."""
        return self.judge_engine(judge, "")

    def judge_base(self, judge: str, base: str) -> str:
        """The base whose model judges fluency; empty for other judges."""
        return base if self.by_base(judge) else ""

    def by_base(self, judge: str) -> bool:
        """Whether a judge's model is the base whose answers it judges."""
        return self.config.judges[judge].kind == "fluency"

    def judge_stack(self, judge: str, base: str) -> list[str]:
        """Folders of a judge's model; the base for fluency, none without one.

        Of a text head its file, and its encoder's folder. Of a judge that the study
        trains itself, the model of its first seed, so that one model judges all.
        """
        entry = self.config.judges[judge]
        if entry.method == "text_head":
            return [self.head(judge), *self.head_encoder(judge)]
        if entry.method != "model":
            return []
        if self.by_base(judge):
            return [f"results/bases/{base}"]
        if entry.recipe is None:
            return [f"results/judges/{judge}"]
        own = self.config.own_bases.get(entry.recipe, base or self.bases[0])
        return self.stack(Model(own, entry.recipe, self.seeds(entry.recipe)[0]))

    def judge_priority(self, judge: str) -> int:
        """How early a judge's jobs are done: one judge after another.

        So the engine of one serves all of its cells before the next one's is started.
        """
        return -list(self.config.judges).index(judge) - 1

    # ---------------------------------------------------------------- heads

    @property
    def heads(self) -> list[str]:
        """The judges of this study that are trained as text heads."""
        return [j for j in self.judges if self.config.judges[j].method == "text_head"]

    def head(self, judge: str) -> str:
        """The file of a text head: its weights and its validation."""
        return f"{self.root}/heads/{judge}.json"

    def head_block(self, judge: str) -> str:
        """How a text head is trained."""
        return self.config.judges[judge].head().model_dump_json()

    def head_encoder(self, judge: str) -> list[str]:
        """The folder of a text head's encoder; empty where it reads no vectors."""
        encoder = self.config.judges[judge].encoder
        return [] if encoder is None else [self.encoder_dir(encoder)]

    def head_rows(self, judge: str) -> list[str]:
        """The files of labelled rows that a text head is trained on."""
        parts = self.config.judges[judge].trained_on
        return [self.raw(part.source, part.file) for part in parts]

    def head_formats(self, judge: str) -> list[str]:
        """The formats of those files."""
        parts = self.config.judges[judge].trained_on
        return [self.config.sources[part.source].format for part in parts]

    # ---------------------------------------------------------------- agreement

    @property
    def refusal_pairs(self) -> list[tuple[str, str]]:
        """Every two judges of refusals that judge the same benchmark, by name."""
        found = {
            pair
            for spec in self.asked.values()
            for pair in combinations(
                sorted(filter(self._judges_refusals, spec.judges)), 2
            )
        }
        return sorted(found)

    def _judges_refusals(self, judge: str) -> bool:
        return self.config.judges[judge].kind == "refusal"

    def agreements(self) -> list[str]:
        """How far each two judges of refusals agree."""
        pairs = self.refusal_pairs
        return [f"{self.root}/agreement/{one}/{two}.json" for one, two in pairs]

    def positive_class(self, judge: str) -> str:
        """The class that a judge looks for."""
        return self.config.judges[judge].positive

    def compared_verdicts(self, judge: str, second: str) -> list[str]:
        """The verdicts of one judge on all that another judges too."""
        return [
            f"{self.root}/verdicts/{judge}/{cell.path}.parquet"
            for cell in self.prompted_cells()
            if {judge, second} <= set(self.asked[cell.benchmark].judges)
        ]

    def compared_with(self, second: str, judge: str) -> list[str]:
        """The same of the other."""
        return self.compared_verdicts(second, judge)

    # ---------------------------------------------------------------- verdicts

    def verdicts_file(self, judge: str) -> list[str]:
        """The file of a judge's verdicts from elsewhere; empty for all others."""
        entry = self.config.judges[judge]
        if entry.method != "file":
            return []
        return [self.raw(str(entry.verdicts_source), str(entry.verdicts_file))]

    # ---------------------------------------------------------------- kinds

    def judge_kinds(self, benchmark: str) -> dict[str, str]:
        """The judges of a benchmark with their kinds, in the order of their files.

        A judge of kind `reference` goes by what it compares, which is what it measures.
        """
        judges = {
            j: self.config.judges[j] for j in self.config.benchmarks[benchmark].judges
        }
        return {name: judge.compare or judge.kind for name, judge in judges.items()}

    def judge_kinds_json(self, benchmark: str) -> str:
        """The same, as scoring is given it."""
        return json.dumps(self.judge_kinds(benchmark))

    def global_judge_kinds_json(self) -> str:
        """The same of every benchmark of the global score."""
        return json.dumps({name: self.judge_kinds(name) for name in self.safety})

    # ---------------------------------------------------------------- measured

    def validated(self) -> list[str]:
        """The judges of this study that have labelled rows to be measured on.

        A judge of fluency has its own measure, see `calibrated`.
        """
        return [
            judge
            for judge in self.judges
            if self.config.judges[judge].labelled_source and not self.by_base(judge)
        ]

    def validated_stack(self, judge: str) -> list[str]:
        """Folders of the model that is measured: of a judge of no base's answers."""
        return self.judge_stack(judge, "")

    def labelled(self, judge: str) -> str:
        """The file of labelled rows that a judge is measured on."""
        entry = self.config.judges[judge]
        return self.raw(str(entry.labelled_source), str(entry.labelled_file))

    def labelled_format(self, judge: str) -> str:
        """The format of those rows; empty of a judge that has none."""
        source = self.config.judges[judge].labelled_source
        return self.config.sources[source].format if source else ""

    # ---------------------------------------------------------------- calibrated

    def calibrated(self) -> list[tuple[str, str]]:
        """The judges of fluency, each with every base whose answers it judges."""
        return [
            (judge, base)
            for judge in self.judges
            if self.by_base(judge)
            for base in self.bases
        ]

    def calibration(self, judge: str, base: str) -> list[str]:
        """The file of a judge's threshold under a base; empty for other judges."""
        if not self.by_base(judge):
            return []
        return [f"{self.root}/calibrated/{judge}/{base}.json"]

    def refusals(self, judge: str) -> list[str]:
        """The labelled refusals that a judge of fluency is calibrated on, if any."""
        return [self.labelled(judge)] if self.labelled_format(judge) else []
