"""Cost model of a study: FLOPs, bytes and seconds, planned and measured."""
