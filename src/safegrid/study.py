"""The files of a study: which each model and cell is made of, and where it lies.

Snakemake's helper functions in `rules/common.smk` only hand wildcards to this class.
Nothing here touches the disk or imports anything heavy: paths are text, relative to
the working directory, as the rules write them.
"""

from typing import Any

from safegrid.config.blocks import NONE, Recipe
from safegrid.config.data import PromptSpec
from safegrid.config.load import Config
from safegrid.grid import Cell, Grid, Model
from safegrid.methods import METHODS
from safegrid.trainings import kto_key, kto_recipe


class Study(Grid):
    """A resolved study, asked by the workflow for names, paths and params."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.root = f"results/{self.name}"

    # ---------------------------------------------------------------- models

    def model_dir(self, model: Model) -> str:
        """The folder of a model; `none` is the base's own."""
        if model.recipe == NONE:
            return f"results/bases/{model.base}"
        return f"{self.root}/models/{model.path}"

    def chain(self, model: Model) -> list[str]:
        """Folders that make a model: a full model, then adapters merged in order."""
        if model.recipe == NONE or self.recipe(model.recipe).training.lora is None:
            return [self.model_dir(model)]
        return [*self.chain(self.parent(model)), self.model_dir(model)]

    def start_chain(self, model: Model) -> list[str]:
        """Folders of the model that a training starts from."""
        return self.chain(self.parent(model))

    def reference(self, model: Model) -> list[str]:
        """Reference log-probabilities that a training reads; empty without any."""
        recipe = self.recipe(model.recipe)
        if not METHODS[recipe.method].reference:
            return []
        return [f"{self._reference_folder(model)}/{self.rows_name(model)}.parquet"]

    def kto_reference(self, model: Model) -> list[str]:
        """KTO's mismatched log-probabilities; empty for every other method."""
        recipe = self.recipe(model.recipe)
        if METHODS[recipe.method].trainer != "kto":
            return []
        name = f"{self.rows_name(model)}.kto-{kto_key(recipe)}.parquet"
        return [f"{self._reference_folder(model)}/{name}"]

    @property
    def reference_settings(self) -> tuple[str, int]:
        """Precision and micro-batch of the reference forward: the study's own."""
        training = self.config.study.training
        return training.get("precision", "float32"), training.get("micro_batch", 16)

    def _reference_folder(self, model: Model) -> str:
        return f"{self.root}/reference/{self.parent(model).path}"

    def kto_recipes(self) -> dict[str, Recipe]:
        """What KTO's mismatched log-probabilities are computed by, by their key."""
        return {
            kto_key(recipe): kto_recipe(recipe)
            for recipe in self.config.recipes.values()
            if METHODS[recipe.method].trainer == "kto"
        }

    def trials(self) -> list[dict[str, Any]]:
        """The points of a sweep study: recipe, method and the settings tried."""
        axes = list(self.config.study.sweep)
        return [
            {
                "recipe": name,
                "method": recipe.method,
                "settings": {
                    axis: getattr(recipe.training, axis)
                    for axis in axes
                    if axis != "beta" or METHODS[recipe.method].beta
                },
            }
            for name, recipe in self.config.recipes.items()
        ]

    # ---------------------------------------------------------------- rows

    def rows_name(self, model: Model) -> str:
        """What the rows that a model is trained on are called below their folders.

        The dataset's name; of one that a model makes, with that model's seed.
        """
        dataset = self.recipe(model.recipe).dataset
        if dataset not in self.made:
            return dataset
        return f"{dataset}/seed{self.maker(dataset, model.base, model.seed).seed}"

    def pairs(self, model: Model) -> str:
        """The rows that a model is trained on, as ids."""
        return f"{self.root}/pairs/{model.base}/{self.rows_name(model)}.parquet"

    def dataset(self, base: str, rows: str) -> str:
        """The dataset behind rows of that name, for trainings from a base."""
        name = rows.partition("/")[0]
        if name in self.made:
            maker = self.maker_base(name, base)
            return f"{self.root}/made/{maker}/{rows}.parquet"
        return f"{self.root}/datasets/{rows}.parquet"

    @property
    def prepared(self) -> list[str]:
        """The datasets that are prepared from files."""
        return [name for name in self.config.study.datasets if name not in self.made]

    def made_from(self, dataset: str, base: str, seed: int) -> list[Cell]:
        """The cells whose answers a dataset is made of.

        Args:
            dataset: made by a model.
            base: of that model.
            seed: of that model.
        """
        spec = self.made[dataset]
        model = Model(base, spec.recipe, seed)
        return [Cell(model, pool) for pool in spec.pools(dataset)]

    def prompts(self, benchmark: str) -> str:
        """The prompts of a benchmark, or of a pool."""
        return f"{self.root}/prompts/{benchmark}.parquet"

    def all_pairs(self) -> list[str]:
        """Every file of rows as ids that a model is trained on."""
        return list(dict.fromkeys(map(self.pairs, self.trained)))

    def all_made(self) -> list[str]:
        """Every file of rows that a model makes for another."""
        rows = (
            self.dataset(model.base, self.rows_name(model))
            for model in self.trained
            if self.recipe(model.recipe).dataset in self.made
        )
        return sorted(set(rows))

    # ---------------------------------------------------------------- judges

    def judge_chain(self, judge: str, base: str) -> list[str]:
        """Folders of a judge's model; the base for a likelihood, none without one.

        Of a judge that the study trains itself, the model of its first seed, so that
        one model judges all.
        """
        entry = self.config.judges[judge]
        if entry.method != "model":
            return []
        if entry.kind == "likelihood":
            return [f"results/bases/{base}"]
        if entry.recipe is None:
            return [f"results/judges/{judge}"]
        own = self.config.own_bases.get(entry.recipe, base or self.bases[0])
        return self.chain(Model(own, entry.recipe, self.config.study.seeds[0]))

    @property
    def judges(self) -> list[str]:
        """The judges that this study asks."""
        return sorted({j for spec in self.asked.values() for j in spec.judges})

    def verdicts_file(self, judge: str) -> list[str]:
        """The file of a judge's verdicts from elsewhere; empty for all others."""
        entry = self.config.judges[judge]
        if entry.method != "file":
            return []
        return [self.raw(str(entry.verdicts_source), str(entry.verdicts_file))]

    def measured(self) -> list[str]:
        """The judges of this study that have labelled rows to be measured on."""
        return [j for j in self.judges if self.config.judges[j].labelled_source]

    def labelled(self, judge: str) -> str:
        """The file of labelled rows that a judge is measured on."""
        entry = self.config.judges[judge]
        return self.raw(str(entry.labelled_source), str(entry.labelled_file))

    def labelled_format(self, judge: str) -> str:
        """The format of those rows."""
        source = str(self.config.judges[judge].labelled_source)
        return self.config.sources[source].format

    # ---------------------------------------------------------------- sources

    def text_files(self, world: str) -> list[str]:
        """The raw files of real text that a world's base learns; empty without any."""
        text = self.config.worlds[world].text
        return [] if text is None else [self.raw(f.source, f.file) for f in text.files]

    def text_documents(self, world: str) -> list[str]:
        """The file that they are gathered in; empty without any."""
        gathered = f"results/raw/{world}-text/documents.jsonl"
        return [gathered] if self.text_files(world) else []

    def judge_rows(self, world: str, judge: str) -> str:
        """The rows that a judge of a world is grown from."""
        if judge in ("reward", "harmfulness", "correction"):
            return f"results/raw/{world}-{judge}-rows/train.jsonl"
        return f"results/raw/{world}-judging/{judge}_train.jsonl"

    def raw(self, source: str, file: str) -> str:
        """A raw file of a source by its short name."""
        return f"results/raw/{source}/{self.config.sources[source].files[file]}"

    def source_block(self, source: str) -> str:
        """What preparing needs of a source; where its files are from is no part."""
        parts = {"format", "files", "licence", "content"}
        return self.config.sources[source].model_dump_json(include=parts)

    def dataset_files(self, dataset: str) -> list[str]:
        """The raw files behind a dataset, one for each of its parts."""
        parts = self.config.study.datasets[dataset].rows_from
        return [self.raw(part.source, part.file) for part in parts]

    def prompt_file(self, benchmark: str) -> str:
        """The raw file behind a benchmark."""
        spec = self.prompt_spec(benchmark)
        return self.raw(spec.source, spec.file)

    def search_files(self, benchmark: str) -> list[str]:
        """The code that searches for a pool's answers; empty where none does."""
        made = self.corrected.get(benchmark.partition("/")[0])
        if made is None or made.beams is None:
            return []
        source = made.beams.source
        return [self.raw(source, file) for file in self.config.sources[source].files]

    def plain_prompt_file(self, benchmark: str) -> list[str]:
        """The raw file of the items behind attacked prompts; empty without one."""
        spec = self.prompt_spec(benchmark)
        return [] if spec.plain is None else [self.raw(spec.source, spec.plain)]

    def prompt_spec(self, benchmark: str) -> PromptSpec:
        """Where the prompts of a benchmark or a pool come from."""
        spec = self.asked[benchmark].prompts
        assert spec is not None, f"{benchmark} has no prompts of its own"
        return spec

    def overlap(self, benchmark: str) -> list[str]:
        """What a benchmark shares with the datasets; empty without any dataset."""
        if not self.config.study.datasets:
            return []
        return [f"{self.root}/overlap/{benchmark}.json"]

    # ---------------------------------------------------------------- cells

    def verdicts(self, cell: Cell) -> list[str]:
        """Verdict files of a cell, one for each judge of its benchmark or pool."""
        judges = self.asked[cell.benchmark].judges
        return [f"{self.root}/verdicts/{judge}/{cell.path}.parquet" for judge in judges]

    def responses(self, cell: Cell) -> str:
        """The responses file of a cell."""
        return f"{self.root}/responses/{cell.path}.parquet"

    def answers(self, cell: Cell) -> str:
        """What the model of a cell gave: its responses, or a suite's results."""
        if cell.benchmark in self.suites:
            return f"{self.root}/capability/{cell.path}.json"
        return self.responses(cell)

    def made_of(self, cell: Cell) -> list[str]:
        """What the scores of a cell are computed from: answers and all verdicts."""
        if cell.benchmark in self.suites:
            return [self.answers(cell)]
        return [self.answers(cell), *self.verdicts(cell)]

    def files(self, cell: Cell) -> list[str]:
        """All that a cell is: its answers, all its verdicts, and its scores."""
        return [*self.made_of(cell), f"{self.root}/scores/{cell.path}.parquet"]

    def model_answers(self, model: Model) -> list[str]:
        """What a model gave to every benchmark, and to every pool that it answers."""
        cells = [Cell(model, name) for name in self.config.benchmarks]
        return [self.answers(cell) for cell in [*cells, *self._pools_of(model)]]

    def model_verdicts(self, model: Model) -> list[str]:
        """Every verdict on a model."""
        cells = [Cell(model, name) for name in self.prompted]
        pools = self._pools_of(model)
        return [file for cell in [*cells, *pools] for file in self.verdicts(cell)]

    def _pools_of(self, model: Model) -> list[Cell]:
        return [cell for cell in self.pool_cells() if cell.model == model]

    def inventories(self, model: Model) -> list[str]:
        """The files in which a model's answers end, and its verdicts if it has any."""
        ends = ["answers", "verdicts"] if self.prompted else ["answers"]
        return [f"{self.root}/inventory/{model.path}/{name}.json" for name in ends]

    def inventory(self, cell: Cell) -> str:
        """The file in which one cell ends that was asked for by name."""
        model = cell.model.path
        return f"{self.root}/inventory/{model}/cells/{cell.benchmark}.json"

    def judge_kinds(self, benchmark: str) -> dict[str, str]:
        """The judges of a benchmark with their kinds, in the order of their files.

        A judge of kind `reference` goes by what it compares, which is what it measures.
        """
        judges = {
            j: self.config.judges[j] for j in self.config.benchmarks[benchmark].judges
        }
        return {name: judge.compare or judge.kind for name, judge in judges.items()}

    def base_answers(self) -> list[str]:
        """What every base, untouched, gave to every benchmark."""
        bases = [Model(base, NONE, 0) for base in self.config.study.bases]
        return [
            self.answers(Cell(model, name))
            for model in bases
            for name in self.config.benchmarks
        ]

    def scores(self) -> list[str]:
        """Every score file that the study's tables gather."""
        files = [
            f"{self.root}/scores/{cell.path}.parquet"
            for cell in self.cells(self.config.benchmarks)
        ]
        if len(self.safety) > 1:
            files += [
                f"{self.root}/scores/{model.path}/global.parquet"
                for model in self.models
            ]
        return files
