"""From upstream files to rows of the study: preferences, prompts, their overlap."""
