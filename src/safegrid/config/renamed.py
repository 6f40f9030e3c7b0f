"""Old names of keys, for the message that an old study gets."""

# Where a key of the right side is allowed and one of the left side is not.
RENAMED = {
    "a_minute": "requests_per_minute",
    "alpha": "lora_alpha",
    "at_once": "max_concurrency",
    "billions": "n_params_b",
    "called": "aliases",
    "chunk": "batch_size",
    "count_opener": "count_affirmative_prefix",
    "dropout": "lora_dropout",
    "epochs": "num_train_epochs",
    "least_mass": "min_label_mass",
    "log_steps": "logging_steps",
    "max_tokens": "max_batch_tokens",
    "micro_batch": "per_device_train_batch_size",
    "most": "max_engines",
    "openers": "affirmative_prefixes",
    "rank": "r",
    "schedule": "lr_scheduler_type",
    "second": "text_pair",
    "start": "init_from",
    "steps": "max_steps",
    "targets": "target_modules",
    "tries": "max_attempts",
    "warmup": "warmup_ratio",
    "wording": "prompt_template",
}
