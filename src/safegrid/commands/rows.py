"""Subcommands of the data stages: the miniature world, sources, datasets, prompts."""

from safegrid.commands.command import Command, command

ROWS: dict[str, Command] = {
    "build-world": command(
        "miniworld.build:build_world",
        "Write a miniature world's raw files in their upstream formats.",
        "world:World out:path",
    ),
    "build-corrections": command(
        "miniworld.corrections:build_corrections",
        "Write a miniature world's rows of answers that correct themselves or do not.",
        "world:World out:path",
    ),
    "train-base": command(
        "miniworld.base:train_base",
        "Train a miniature base model from documents.",
        "world:World documents:path text:path-or-none? out:path",
    ),
    "train-judge": command(
        "miniworld.judges:train_judge",
        "Train a miniature judge from labelled rows.",
        "world:World judge:text rows:path tokenizer:path out:path",
    ),
    "pin": command(
        "safegrid.fetch.pin:pin",
        "Find out what names of the registries stand for, and write the lock.",
        "names:texts? study:study? sources_dir:text?",
    ),
    "preflight": command(
        "safegrid.fetch.preflight:preflight",
        "List what a study needs from outside, or all that is missing of it.",
        "study:study sources_dir:text? planned:path? config:path?",
    ),
    "fetch-source": command(
        "safegrid.fetch.run:fetch_source",
        "Fetch one file of a source as the lock says.",
        "spec:FetchSpec file:text local:path-or-none out:path manifest:path",
    ),
    "fetch-model": command(
        "safegrid.fetch.run:fetch_model",
        "Fetch the folder of a base, a judge or an encoder as the lock says.",
        "spec:FetchSpec local:path-or-none out:path",
    ),
    "convert-gguf": command(
        "safegrid.fetch.convert:convert_gguf",
        "Convert a model in a GGUF file to a folder with safetensors.",
        "gguf:path template:text-or-none out:path",
    ),
    "prepare-dataset": command(
        "safegrid.data.preferences:prepare_dataset",
        "Turn rows of sources into preference pairs, or instructions with an answer.",
        "spec:DatasetSpec sources:SourceSpec[] files:paths out:path",
    ),
    "prepare-prompts": command(
        "safegrid.data.prompts:prepare_prompts",
        "Turn a source's rows into a benchmark's prompts.",
        "benchmark:text spec:PromptSpec source:SourceSpec file:path plain:path-or-none"
        " out:path",
    ),
    "prepare-corrections": command(
        "safegrid.data.corrections:prepare_corrections",
        "Break unsafe answers off, for a model to correct itself.",
        "name:text spec:RequestsSpec source:SourceSpec seed:int file:path out:path",
    ),
    "prepare-chosen": command(
        "safegrid.data.chosen:prepare_chosen",
        "Turn instructions with a chosen answer into prompts for a model to answer.",
        "name:text parts:PartSpec[] sources:SourceSpec[] files:paths out:path",
    ),
    "cut-prompt-pool": command(
        "safegrid.data.corrections:cut_prompt_pool",
        "Take one of several parts of what a model is asked.",
        "prompts:path shards:int part:int out:path",
    ),
    "gather-texts": command(
        "safegrid.data.texts:gather_texts",
        "Turn instructions with answers into documents that a base is trained on.",
        "files:paths out:path out_manifest:path",
    ),
    "overlap": command(
        "safegrid.data.overlap:report_overlap",
        "Find the prompts of a benchmark that stand in the datasets.",
        "datasets:paths pools:paths prompts:path out:path",
    ),
}
