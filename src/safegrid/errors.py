"""The errors that a user meets: one sentence each that says what to do."""


class SafegridError(Exception):
    """What the command line prints without a traceback."""


class ConfigError(SafegridError):
    """A configuration file says something that cannot be meant."""


class DataError(SafegridError):
    """A file of rows is not what its reader expects."""


class SourceError(SafegridError):
    """Files of an upstream cannot be had, or are not those that were pinned."""


class EngineError(SafegridError):
    """An engine did not start, died, or gave an answer that cannot be used."""


class JudgeError(SafegridError):
    """A judge cannot be read in the way that its configuration says."""


class TrainingError(SafegridError):
    """A training run cannot start or must not go on."""
