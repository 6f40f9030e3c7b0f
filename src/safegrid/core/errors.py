"""The errors that a user meets: one sentence each that says what to do."""


class SafegridError(Exception):
    """What the command line prints without a traceback."""


class ConfigError(SafegridError):
    """A configuration file says something that cannot be meant."""


class DataError(SafegridError):
    """A file of rows is not what its reader expects."""


class SourceError(SafegridError):
    """Files of an upstream cannot be had, or are not those that were pinned."""


class ClosedError(SourceError):
    """A repository does not open: what was asked, its page for terms, and why.

    `why` is the reason and what to do, after "it" or "each of these".
    """

    def __init__(self, what: str, page: str, why: str) -> None:
        """Make one sentence of it."""
        super().__init__(f"{what}: {page} {why}")
        self.what, self.page, self.why = what, page, why


class EngineError(SafegridError):
    """An engine did not start, died, or gave an answer that cannot be used."""


class JudgeError(SafegridError):
    """A judge cannot be read in the way that its configuration says."""


class TrainingError(SafegridError):
    """A training run cannot start or must not go on."""
