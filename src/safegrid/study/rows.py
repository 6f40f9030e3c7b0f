"""Rows that models are trained on: prepared from sources, or made by a model."""

from safegrid.config.dataset import DatasetSpec
from safegrid.study.grid import Cell, Grid, Model


class RowFiles(Grid):
    """A study, asked for its datasets and the rows of its trainings."""

    @property
    def prepared(self) -> list[str]:
        """The datasets that are prepared from files."""
        return [
            name for name in self.config.study.datasets if name not in self.generated
        ]

    def rows_name(self, model: Model) -> str:
        """What the rows that a model is trained on are called below their folders.

        The dataset's name; of one that a model makes, with that model's seed.
        """
        dataset = self.recipe(model.recipe).dataset
        if dataset not in self.generated:
            return dataset
        return f"{dataset}/seed{self.maker(dataset, model.base, model.seed).seed}"

    def pairs(self, model: Model) -> str:
        """The rows that a model is trained on, as ids."""
        return f"{self.root}/pairs/{model.base}/{self.rows_name(model)}.parquet"

    def dataset(self, base: str, rows: str) -> str:
        """The dataset behind rows of that name, for trainings from a base."""
        name = rows.partition("/")[0]
        if name in self.generated:
            maker = self.maker_base(name, base)
            return f"{self.root}/generated/{maker}/{rows}.parquet"
        return f"{self.root}/datasets/{rows}.parquet"

    def prompts(self, benchmark: str) -> str:
        """The prompts of a benchmark, or of a prompt pool."""
        return f"{self.root}/prompts/{benchmark}.parquet"

    # ---------------------------------------------------------------- prepared

    def dataset_block(self, dataset: str) -> str:
        """What a dataset is made of, as preparing is given it."""
        return self.config.study.datasets[dataset].model_dump_json()

    def max_length(self, rows: str) -> int:
        """The longest row that is kept, in tokens."""
        return self._behind(rows).max_length

    def rows_seed(self, rows: str) -> int:
        """The seed of the dataset behind rows, whichever model made them."""
        return self._behind(rows).seed

    def _behind(self, rows: str) -> DatasetSpec:
        return self.config.study.datasets[rows.partition("/")[0]]

    # ---------------------------------------------------------------- made

    def generated_block(self, dataset: str) -> str:
        """How a model makes a dataset."""
        return self.generated[dataset].model_dump_json()

    def made_from(self, dataset: str, base: str, seed: int) -> list[Cell]:
        """The cells whose answers a dataset is made of.

        Args:
            dataset: made by a model.
            base: of that model.
            seed: of that model.
        """
        spec = self.generated[dataset]
        model = Model(base, spec.recipe, seed)
        return [Cell(model, pool) for pool in spec.pools(dataset)]

    def generated_prompts(self, dataset: str) -> list[str]:
        """The prompts of all pools of a dataset."""
        return [self.prompts(pool) for pool in self.generated[dataset].pools(dataset)]

    def chosen_blocks(self, dataset: str) -> list[str]:
        """The parts that a dataset's chosen answers come from."""
        parts = self.rejected_by_model[dataset].chosen
        return [part.model_dump_json() for part in parts]

    def requests_block(self, dataset: str) -> str:
        """Which requests a model is to correct itself on."""
        return self.corrected[dataset].requests.model_dump_json()

    def shards(self, dataset: str) -> int:
        """The parts that it is asked in."""
        return self.corrected[dataset].shards
