"""JSON read more strictly than Python does, and value by value.

So the line of each item of a list is known. NaN and a name that stands twice in one
object are refused: Python reads the first, and takes the last value of the second.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from safegrid.readers.problems import describe


def parse(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is no JSON, or a name stands twice in one of its objects.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def without_halves(value: Any) -> Any:
    r"""Return a JSON value with "?" for each half of a surrogate pair, in names too.

    JSON can name a half alone, as in "\ud83d". It is no character: no file holds it.
    """
    return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def names_halves(text: str) -> bool:
    """Say whether a JSON text names a half of a surrogate pair, or both of a whole one.

    Only such a text can have a value with a half that is alone.
    """
    return _HALF.search(text) is not None


class JsonText:
    """A JSON text and how far it was read.

    All of its methods raise ValueError where the text is not JSON.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line = 1
        self._counted = 0
        self._skip()

    def at(self, sign: str) -> bool:
        """Say whether the next sign is this one."""
        return self._text[self._position : self._position + 1] == sign

    def items(self) -> Iterator[tuple[int, Any]]:
        """Give the items of the list that starts here, each with its line."""
        if not self.at("["):
            raise ValueError("expected a list [...] here, of objects or of one column")
        self._take("[")
        while not self.at("]"):
            yield self._here(), self._value()
            self._comma("]")
        self._take("]")

    def fields(self) -> Iterator[str]:
        """Give the names of the object that starts here; the caller reads each list."""
        self._take("{")
        names: set[str] = set()
        while not self.at("}"):
            name = self._value()
            if not isinstance(name, str):
                raise ValueError("an object's field has no name")
            if name in names:
                raise ValueError(_twice(name))
            names.add(name)
            self._take(":")
            yield name
            self._comma("}")
        self._take("}")
        self.end()

    def end(self) -> None:
        """Check that nothing follows."""
        if self._position < len(self._text):
            raise ValueError("more text after its end")

    def line_of(self, error: ValueError) -> int:
        """Return the line of an error: its own, or where the last item starts."""
        return error.lineno if isinstance(error, json.JSONDecodeError) else self._line

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._position)
        self._counted = self._position
        return self._line

    def _value(self) -> Any:
        try:
            value, self._position = _DECODER.raw_decode(self._text, self._position)
        except RecursionError:
            raise ValueError(TOO_DEEP) from None
        self._skip()
        return value

    def _comma(self, end: str) -> None:
        if self.at(","):
            self._take(",")
        elif not self.at(end):
            raise ValueError(f"no ',' or '{end}' after the item that starts here")

    def _take(self, sign: str) -> None:
        if not self.at(sign):
            raise ValueError(f"no '{sign}' after what starts here")
        self._position += 1
        self._skip()

    def _skip(self) -> None:
        while self._text[self._position : self._position + 1] in (
            " ",
            "\t",
            "\r",
            "\n",
        ):
            self._position += 1


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


_HALF = re.compile(r"\\u[dD][89a-fA-F]")
TOO_DEEP = "not readable as JSON: nested too deeply"
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
