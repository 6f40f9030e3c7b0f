"""JSON read more strictly than Python does, and value by value.

So the line of each item of a list is known. NaN and a name that stands twice in one
object are refused: Python reads the first, and takes the last value of the second.
"""

import json
import re
from typing import Any

from safegrid.readers.problems import describe

Lined = tuple[int, Any]
"""A value, and the line where it starts."""

# Only a text that names a half can have a value with one that is alone.
HALF = re.compile(r"\\u[dD][89a-fA-F]")
_SPACE = re.compile(r"[ \t\r\n]*")


def parse(text: str) -> Any:
    """Return the value of a JSON text, or raise a JSONDecodeError."""
    value, end = _value(text, _skip(text, 0))
    _end(text, end)
    return value


def parse_lines(text: str) -> list[Lined] | dict[str, list[Lined]]:
    """Return the items of a list, or of an object of lists, each with its line."""
    start = _skip(text, 0)
    if not text.startswith("{", start):
        items, end = _items(text, start)
        _end(text, end)
        return items
    columns: dict[str, list[Lined]] = {}
    at = _take("{", text, start)
    while not text.startswith("}", at):
        name, end = _value(text, at)
        if name in columns:
            raise json.JSONDecodeError(_twice(name), text, at)
        columns[name], at = _items(text, _take(":", text, end))
        at = _next("}", text, at)
    _end(text, _take("}", text, at))
    return columns


def without_halves(value: Any) -> Any:
    r"""Return a JSON value with "?" for each half of a surrogate pair, in names too.

    JSON can name a half alone, as in "\ud83d". It is no character: no file holds it.
    """
    return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def _items(text: str, at: int) -> tuple[list[Lined], int]:
    """Return the items of the list at a place, each with its line, and its end."""
    if not text.startswith("[", at):
        said = "expected a list [...] here, of objects or of one column"
        raise json.JSONDecodeError(said, text, at)
    found = []
    at = _take("[", text, at)
    line, counted = text.count("\n", 0, at) + 1, at
    while not text.startswith("]", at):
        line, counted = line + text.count("\n", counted, at), at
        value, at = _value(text, at)
        found.append((line, value))
        at = _next("]", text, at)
    return found, _take("]", text, at)


def _value(text: str, at: int) -> tuple[Any, int]:
    """Return the value at a place, and where the next sign stands."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", text, at) from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise json.JSONDecodeError(str(error), text, at) from None
    return value, _skip(text, end)


def _next(end: str, text: str, at: int) -> int:
    """Return the place of the next item, or of the sign that ends them."""
    return at if text.startswith(end, at) else _take(",", text, at, end)


def _take(sign: str, text: str, at: int, other: str = "") -> int:
    if not text.startswith(sign, at):
        wanted = f"{sign!r} or {other!r}" if other else repr(sign)
        raise json.JSONDecodeError(f"expected {wanted}", text, at)
    return _skip(text, at + 1)


def _end(text: str, at: int) -> None:
    if at < len(text):
        raise json.JSONDecodeError("more text after its end", text, at)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(_twice(next(name for name in names if names.count(name) > 1)))
    return found


def _twice(name: str) -> str:
    return f"field {describe(name)} stands twice in one object; remove one of the two"


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
