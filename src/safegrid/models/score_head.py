"""A language model turned into a model with one output: its body under a new head.

transformers makes such a model from a folder of full weights only. A start model can
also be a stack with adapters, which is in memory already; so its body is put under a
fresh head here, without a second copy of its weights.
"""

from typing import TYPE_CHECKING

from safegrid.core.errors import DataError
from safegrid.models.pretrained import empty_classifier

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


def score_config(model: "PreTrainedModel", pad_id: int) -> "PreTrainedConfig":
    """Return the settings of a model with one output over the body of another.

    Args:
        model: a language model.
        pad_id: what fills up rows; the output is read at the last token before it.
    """
    config = type(model.config).from_dict(model.config.to_dict())
    config.num_labels = 1
    config.get_text_config().pad_token_id = pad_id
    return config


def with_score_head(
    model: "PreTrainedModel", config: "PreTrainedConfig", seed: int = 0
) -> "PreTrainedModel":
    """Return a sequence classifier of `config` that shares the body of a model.

    Args:
        model: a language model; it is of no use of its own afterwards.
        config: as `score_config` made it.
        seed: rules the head's first values, drawn as transformers draws them.

    Raises:
        DataError: transformers has no such model of this family.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        raise DataError(
            f"transformers has no sequence classifier of family {config.model_type!r},"
            " so a reward model cannot be made of it; take a base of another family"
        )
    classifier = empty_classifier(config)
    setattr(classifier, classifier.base_model_prefix, model.base_model)
    body = next(model.base_model.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name in head_modules(classifier):
            head = getattr(classifier, name).to_empty(device=body.device)
            classifier._init_weights(head)
            head.to(body.dtype)
    return classifier  # type: ignore[no-any-return]


def head_modules(classifier: "PreTrainedModel") -> list[str]:
    """Return the names of the modules that are no part of a classifier's body."""
    prefix = classifier.base_model_prefix
    return [name for name, _ in classifier.named_children() if name != prefix]
