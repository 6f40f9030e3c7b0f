"""Tables and figures of the paper on eleven alignment methods (arXiv 2409.07772)."""
