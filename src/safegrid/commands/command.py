"""A subcommand: which function it calls, and with which options."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """An option of a subcommand.

    Attributes:
        kind: path, paths, text, texts, study, int, float, json, flag or a block's name,
            with `[]` for several blocks; with `-or-none` the option may stand without
            a value, which means none.
    """

    name: str
    kind: str
    required: bool = True


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        call: `module:function`, whose arguments are the options.
        job: false where users start it, or it watches over its end itself; a job of a
            run ends with its run.
    """

    call: str
    help: str
    options: tuple[Option, ...]
    job: bool = True


def command(call: str, help_text: str, options: str, *, job: bool = True) -> Command:
    """Return a subcommand of a room's function; its options are `name:kind` words.

    A question mark behind a kind makes the option optional.
    """
    read = tuple(_option(word) for word in options.split())
    return Command(call, help_text, read, job)


def _option(word: str) -> Option:
    name, kind = word.split(":")
    return Option(name, kind.rstrip("?"), not kind.endswith("?"))
