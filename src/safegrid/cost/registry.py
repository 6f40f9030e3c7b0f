"""GPUs, assumptions and shapes of models, as a study knows them.

A shape is best read from the model's own `config.json`, where its folder is there
already: fetched, or the user's own below `sources_dir`. Else a miniature's model has
the shape of its world, and another one the `shape` that its entry states.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.config.cost import Assumed, GpuSpec, ShapeSpec
from safegrid.config.documents import Problems
from safegrid.config.upstream import ModelUpstream
from safegrid.config.world import SmallModel
from safegrid.config.yaml_files import read_document
from safegrid.core.files import read_object
from safegrid.study import Study

GPUS = "gpus.yaml"
ASSUMPTIONS = "assumptions.yaml"
# Families by their `model_type` whose MLP has two matrices.
PLAIN = {"falcon", "roberta", "bert", "xlm-roberta", "deberta-v2", "distilbert", "gpt2"}
# Families whose head is the embedding table unless their configuration says otherwise.
TIED = {"falcon", "gemma", "gemma2", "roberta", "bert", "xlm-roberta"}
ENCODERS = {"roberta", "bert", "xlm-roberta"}
# A model of unknown shape is taken for one with heads of 128 and layers = width / 128.
HEAD = 128


def load_gpus(root: Path) -> dict[str, GpuSpec]:
    """Read the GPUs of a configuration; a ConfigError tells every problem."""
    problems = Problems()
    document = read_document(root / GPUS, problems)
    found = {
        name: document.validate(GpuSpec, block, (name,))
        for name, block in document.data.items()
    }
    problems.raise_if_any("GPUs")
    return found


def load_assumptions(root: Path) -> Assumed:
    """Read what plans assume; a ConfigError tells every problem."""
    problems = Problems()
    document = read_document(root / ASSUMPTIONS, problems)
    found = document.validate(Assumed, document.data)
    problems.raise_if_any("assumptions")
    assert isinstance(found, Assumed), "what does not validate was raised"
    return found


def meant(gpus: Mapping[str, GpuSpec], name: str) -> str | None:
    """Return the GPU that a driver or a scheduler calls so; None of an unknown one."""
    wanted = _plain(name)
    for known, gpu in gpus.items():
        if wanted in map(_plain, (known, *gpu.aliases)):
            return known
    return None


def pick_gpu(
    gpus: Mapping[str, GpuSpec], name: str, where: str, problems: Problems
) -> str:
    """Return the GPU that an option or a file asks for; an unknown one is noted."""
    found = meant(gpus, name)
    if found is None:
        problems.unknown(where, "gpu", name, "GPU", gpus)
    return found or ""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).removeprefix("nvidia-")


class Known(NamedTuple):
    """A shape, and where it is known from: words, and the model's name."""

    shape: ShapeSpec
    source: str


def read_shape(config: Mapping[str, Any]) -> ShapeSpec | None:
    """Read a shape from a model's `config.json`; None where a size is missing."""
    kind = str(config.get("model_type"))
    sizes = {
        "layers": config.get("num_hidden_layers"),
        "width": config.get("hidden_size"),
        "heads": config.get("num_attention_heads"),
        "vocabulary": config.get("vocab_size"),
    }
    if not all(isinstance(size, int) for size in sizes.values()):
        return None
    experts = int(config.get("num_local_experts") or 1)
    positions = config.get("max_position_embeddings") if kind in ENCODERS else 0
    return ShapeSpec.model_validate(
        {
            **sizes,
            "kv_heads": _kv_heads(kind, config),
            "head_width": config.get("head_dim"),
            "feed_forward": config.get("intermediate_size")
            or config.get("ffn_hidden_size")
            or 4 * config["hidden_size"],
            "gated": kind not in PLAIN,
            "tied": config.get("tie_word_embeddings", kind in TIED),
            "experts": experts,
            "experts_used": config.get("num_experts_per_tok") if experts > 1 else 1,
            "positions": positions,
        }
    )


def _kv_heads(kind: str, config: Mapping[str, Any]) -> int | None:
    if kind != "falcon":
        return config.get("num_key_value_heads")
    if config.get("new_decoder_architecture"):
        return config.get("num_kv_heads")
    return 1 if config.get("multi_query", True) else None


def of_billions(billions: float) -> ShapeSpec:
    """Return a shape of so many parameters, as wide for its depth as is common."""
    # Attention 4 width^2 and a gated MLP of 8 width^2 a layer: 12 width^3 / 128 in all.
    heads = max(1, round((billions * 1e9 * HEAD / 12) ** (1 / 3) / HEAD))
    width = heads * HEAD
    return ShapeSpec(
        layers=heads,
        width=width,
        heads=heads,
        feed_forward=8 * width // 3,
        vocabulary=32_000,
        tied=True,
    )


def base_shape(study: Study, base: str, root: Path = Path()) -> Known | None:
    """Return the shape of a base; None where nobody says anything of it."""
    entry = study.config.bases[base]
    found = _of_entry(study, entry, f"results/bases/{base}", root)
    if found is None and entry.world is not None:
        world = study.config.worlds[entry.world]
        text = world.text.vocabulary if world.text else world.vocabulary
        return _of_world(world.bases[base], text, base)
    if found is None and entry.n_params_b is not None:
        source = f"shape assumed from its billions of parameters: {base}"
        return Known(of_billions(entry.n_params_b), source)
    return found


def judge_shape(
    study: Study, judge: str, base: str, root: Path = Path()
) -> Known | None:
    """Return the shape of a judge's model; that of fluency is the base's."""
    entry = study.config.judges[judge]
    if entry.kind == "fluency":
        return base_shape(study, base, root)
    if entry.recipe is not None:
        own = study.recipe(entry.recipe).base or base or study.bases[0]
        return base_shape(study, own, root)
    found = _of_entry(study, entry, f"results/judges/{judge}", root)
    if found is None and entry.world is not None:
        world = study.config.worlds[entry.world]
        spec = world.judges.shape(judge.removeprefix(f"{entry.world}-"))
        return None if spec is None else _of_world(spec, world.vocabulary, judge)
    return found


def of_folder(root: Path, folder: str) -> Known | None:
    """Return the shape of a model by its own files; None where they do not say it."""
    path = root / folder / "config.json"
    shape = read_shape(read_object(path)) if path.is_file() else None
    return None if shape is None else Known(shape, f"shape read in: {folder}")


def _of_entry(
    study: Study, entry: ModelUpstream, folder: str, root: Path
) -> Known | None:
    """Return the shape in a model's folder, or in the user's; else the stated one."""
    found = of_folder(root, folder)
    if found is None and entry.path is not None and study.sources_dir is not None:
        found = of_folder(Path(study.sources_dir), entry.path)
    if found is None and entry.shape is not None:
        name = folder.rpartition("/")[2]
        return Known(entry.shape, f"shape stated in the registry, from memory: {name}")
    return found


def _of_world(spec: SmallModel, vocabulary: int, name: str) -> Known:
    shape = ShapeSpec(
        layers=spec.layers,
        width=spec.hidden,
        heads=spec.heads,
        feed_forward=spec.feed_forward,
        vocabulary=vocabulary,
        tied=True,
    )
    return Known(shape, f"shape of its world: {name}")
