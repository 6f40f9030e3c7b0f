"""Model folders: weights, tokenizers, chat templates."""
