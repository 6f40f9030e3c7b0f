"""The work of references and trainings, with the padding that their batches have."""

from safegrid.config.cost import GpuSpec, ShapeSpec
from safegrid.config.methods import METHODS
from safegrid.config.training import Recipe, Training
from safegrid.cost.flops import BYTES, Work, forward, limits, training
from safegrid.cost.memory import adapter
from safegrid.cost.tokens import Tokens


def reference(
    shape: ShapeSpec, gpu: GpuSpec, sequences: Tokens, precision: str, share: float
) -> Work:
    """Return the work of the log-probabilities of a share of a dataset.

    Pairs go through sorted by length, so next to nothing is padded.
    """
    return forward(shape, limits(gpu, precision), share * sequences.total)


def train(shape: ShapeSpec, gpu: GpuSpec, sequences: Tokens, recipe: Recipe) -> Work:
    """Return the work of all processes of a training together.

    Args:
        shape: of the model.
        gpu: that each process has.
        sequences: chosen and rejected ones of the whole dataset; of a method that reads
            chosen answers alone, those.
        recipe: resolved.
    """
    settings = recipe.training
    trainer = METHODS[recipe.method].trainer
    a_pair = 1 if trainer == "sft" else 2
    pairs = round(recipe.fraction * sequences.rows / a_pair)
    number = count_steps(settings, pairs) * settings.batch * a_pair
    # Rows come in random order and are padded to the longest of a micro-batch.
    padded = number * sequences.expected_longest(
        settings.per_device_train_batch_size * a_pair
    )
    work = training(
        shape,
        limits(gpu, settings.precision),
        number * sequences.mean,
        padded,
        lora=settings.lora is not None,
        again=settings.gradient_checkpointing,
        forward_only=padded if trainer == "kto" else 0.0,
    )
    return work.shared_by(settings.processes)


def count_steps(settings: Training, pairs: int) -> int:
    """Return the optimiser's steps, as `safegrid.train.rows.count_steps` does."""
    if settings.max_steps is not None:
        return settings.max_steps
    assert settings.num_train_epochs is not None, (
        "Training holds one of max_steps and num_train_epochs"
    )
    return max(1, int(settings.num_train_epochs * pairs / settings.batch))


def model_bytes(shape: ShapeSpec, settings: Training) -> float:
    """Return the disk of a trained model: an adapter in float32, or all weights."""
    if settings.lora is not None:
        return 4.0 * adapter(shape, settings.lora)
    return float(BYTES[settings.precision] * shape.parameters)


def checkpoint_bytes(shape: ShapeSpec, settings: Training) -> float:
    """Return the disk of the two checkpoints that a training holds while it runs.

    What is trained and AdamW's two moments, all in float32.
    """
    trained = adapter(shape, settings.lora) if settings.lora else shape.parameters
    return 2 * 12.0 * trained
