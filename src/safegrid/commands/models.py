"""Models are trained and asked, and their answers judged."""

from safegrid.commands.command import Command, command

MODELS: dict[str, Command] = {
    "tokenize": command(
        "safegrid.train.tokenize:tokenize_pairs",
        "Turn preference pairs into token ids.",
        "dataset:path tokenizer:path max_length:int out:path",
    ),
    "reference": command(
        "safegrid.train.reference:compute_reference",
        "Compute log-probabilities of all pairs under a start model.",
        "pairs:path stack:paths precision:text micro_batch:int out:path"
        " subsets:json? data_seed:int?",
    ),
    "kto-reference": command(
        "safegrid.train.reference:compute_kto_reference",
        "Compute KTO's mismatched log-probabilities under a start model.",
        "pairs:path stack:paths recipe:Recipe data_seed:int out:path",
    ),
    "train": command(
        "safegrid.train.run:train",
        "Train one model by one recipe.",
        "pairs:path stack:paths reference:path-or-none kto_reference:path-or-none"
        " recipe:Recipe seed:int data_seed:int checkpoints:path out:paths",
    ),
    "merge": command(
        "safegrid.train.merge:merge_model",
        "Save a model of a study with its adapters merged.",
        "study:study model:text out:path",
        job=False,
    ),
    "render": command(
        "safegrid.generate.render:render_prompts",
        "Turn prompts into token ids through a base's chat template.",
        "prompts:path tokenizer:path out:path",
    ),
    "generate": command(
        "safegrid.generate.run:generate",
        "Ask a model for its responses to a benchmark's prompts.",
        "stack:paths ids:path decode:Decoding engine:EngineSpec seed:int"
        " benchmark_version:int cache:path out:path fresh:flag? search:paths?",
    ),
    "capability": command(
        "safegrid.capability.run:capability",
        "Run lm-evaluation-harness tasks as a client of the engine.",
        "suite:text tasks:texts blocks:json task_files:paths limit:int-or-none"
        " stack:paths engine:EngineSpec out:path",
    ),
    "reference-likelihood": command(
        "safegrid.capability.likelihood:reference_likelihood",
        "Read how likely a model finds known answers.",
        "stack:paths prompts:path engine:EngineSpec benchmark_version:int cache:path"
        " out:path fresh:flag?",
    ),
    "judge": command(
        "safegrid.judge.run:judge",
        "Turn responses into verdicts.",
        "judge:JudgeSpec stack:paths prompts:path responses:path engine:EngineSpec"
        " cache:path out:path fresh:flag? verdicts_file:path-or-none?"
        " calibration:path-or-none? cell:json?",
    ),
    "text-head": command(
        "safegrid.judge.head_training:text_head",
        "Train a text head on labelled rows, and validate it on files left out.",
        "judge:HeadSpec encoder:path-or-none rows:paths formats:texts"
        " engine:EngineSpec cache:path out:path",
    ),
    "agreement": command(
        "safegrid.judge.beside:agreement",
        "Compare two judges of refusals on the same answers.",
        "first:paths second:paths positive:text out:path disagreeing:path",
    ),
    "validate-judge": command(
        "safegrid.judge.validation:validate_judge",
        "Measure a judge on labelled rows that it did not train on.",
        "judge:JudgeSpec stack:paths labelled:path labelled_format:text"
        " engine:EngineSpec cache:path out:path",
    ),
    "calibrate": command(
        "safegrid.judge.calibrate:calibrate",
        "Fix the threshold of a fluency judge under a base, and test it.",
        "judge:JudgeSpec stack:paths datasets:paths labelled:path-or-none"
        " labelled_format:text-or-none engine:EngineSpec seed:int cache:path out:path",
    ),
    "best-of-k": command(
        "safegrid.synthesize.best_of_k:best_of_k",
        "Keep the best of a model's answers to each prompt as training rows.",
        "name:text spec:BestOfKSpec prompts:path responses:path verdicts:path out:path",
    ),
    "corrections": command(
        "safegrid.synthesize.corrections:corrections",
        "Rank a model's corrections of itself, as preference pairs.",
        "name:text spec:CorrectionsSpec prompts:paths responses:paths"
        " verdicts:paths out:path",
    ),
    "rejected-by-model": command(
        "safegrid.synthesize.rejected_by_model:rejected_by_model",
        "Prefer known answers to a model's own, as preference pairs.",
        "name:text spec:RejectedByModelSpec prompts:path responses:path out:path",
    ),
}
