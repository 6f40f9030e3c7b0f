"""JSON read value by value, so that the line of each item of a list is known."""

import json
from collections.abc import Iterator
from typing import Any


class JsonText:
    """A JSON text and how far it was read.

    All of its methods raise ValueError where the text is not JSON.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._decoder = json.JSONDecoder(parse_constant=refuse_constant)
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
        while not self.at("}"):
            name = self._value()
            if not isinstance(name, str):
                raise ValueError("an object's field has no name")
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
        value, self._position = self._decoder.raw_decode(self._text, self._position)
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


def refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not know."""
    raise ValueError(f"{name} is not JSON")
