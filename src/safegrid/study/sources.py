"""Raw files: which of them datasets, prompts and a miniature's models are made of."""

from safegrid.config.prompt import PromptSpec
from safegrid.study.grid import Grid


class SourceFiles(Grid):
    """A study, asked for files of its sources and worlds."""

    def raw(self, source: str, file: str) -> str:
        """A raw file of a source by its short name."""
        return f"results/raw/{source}/{self.config.sources[source].files[file]}"

    def source_block(self, source: str) -> str:
        """What preparing needs of a source; where its files are from is no part."""
        parts = {"format", "files", "licence", "content"}
        return self.config.sources[source].model_dump_json(include=parts)

    # ---------------------------------------------------------------- worlds

    def world_block(self, world: str) -> str:
        """How a world is built."""
        return self.config.worlds[world].model_dump_json(exclude_none=True)

    def tokenizer_files(self, world: str) -> list[str]:
        """Every file of a world's tokenizer; a job finds no other beside them."""
        folder = f"results/raw/{world}-corpus/tokenizer"
        names = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
        return [f"{folder}/{name}" for name in names]

    def text_files(self, world: str) -> list[str]:
        """The raw files of real text that a world's base learns; empty without any."""
        text = self.config.worlds[world].text
        return [] if text is None else [self.raw(f.source, f.file) for f in text.files]

    def text_documents(self, world: str) -> list[str]:
        """The file that they are gathered in; empty without any."""
        gathered = f"results/raw/{world}-text/documents.jsonl"
        return [gathered] if self.text_files(world) else []

    def judge_rows(self, world: str, judge: str) -> str:
        """The rows that a judge of a world is trained on."""
        if judge in ("reward", "harmfulness", "correction"):
            return f"results/raw/{world}-{judge}-rows/train.jsonl"
        return f"results/raw/{world}-judging/{judge}_train.jsonl"

    # ---------------------------------------------------------------- datasets

    def dataset_files(self, dataset: str) -> list[str]:
        """The raw files behind a dataset, one for each of its parts."""
        parts = self.config.study.datasets[dataset].rows_from
        return [self.raw(part.source, part.file) for part in parts]

    def dataset_sources(self, dataset: str) -> list[str]:
        """What preparing needs of their sources, in the same order."""
        parts = self.config.study.datasets[dataset].rows_from
        return [self.source_block(part.source) for part in parts]

    def chosen_files(self, dataset: str) -> list[str]:
        """The raw files of the chosen answers of a dataset, one for each part."""
        parts = self.rejected_by_model[dataset].chosen
        return [self.raw(part.source, part.file) for part in parts]

    def chosen_sources(self, dataset: str) -> list[str]:
        """What preparing needs of their sources, in the same order."""
        parts = self.rejected_by_model[dataset].chosen
        return [self.source_block(part.source) for part in parts]

    def corrections_file(self, dataset: str) -> str:
        """The raw file of the requests that a model is to correct itself on."""
        requests = self.corrected[dataset].requests
        return self.raw(requests.source, requests.file)

    def corrections_source(self, dataset: str) -> str:
        """What preparing needs of its source."""
        return self.source_block(self.corrected[dataset].requests.source)

    # ---------------------------------------------------------------- prompts

    def prompt_spec(self, benchmark: str) -> PromptSpec:
        """Where the prompts of a benchmark or a prompt pool come from."""
        spec = self.asked[benchmark].prompts
        assert spec is not None, f"{benchmark} has no prompts of its own"
        return spec

    def prompt_block(self, benchmark: str) -> str:
        """The same, as preparing is given it."""
        return self.prompt_spec(benchmark).model_dump_json()

    def prompt_source(self, benchmark: str) -> str:
        """What preparing needs of their source."""
        return self.source_block(self.prompt_spec(benchmark).source)

    def prompt_file(self, benchmark: str) -> str:
        """The raw file behind a benchmark."""
        spec = self.prompt_spec(benchmark)
        return self.raw(spec.source, spec.file)

    def search_files(self, benchmark: str) -> list[str]:
        """The code that searches for a prompt pool's answers; empty where none does."""
        made = self.corrected.get(benchmark.partition("/")[0])
        if made is None or made.beams is None:
            return []
        source = made.beams.source
        return [self.raw(source, file) for file in self.config.sources[source].files]

    def plain_prompt_file(self, benchmark: str) -> list[str]:
        """The raw file of the items behind attacked prompts; empty without one."""
        spec = self.prompt_spec(benchmark)
        return [] if spec.plain is None else [self.raw(spec.source, spec.plain)]
