# SPDX-License-Identifier: MIT
"""On which line of a TOML text a value stands; `tomllib` does not tell."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import TypeAlias

Key: TypeAlias = "tuple[str | int, ...]"
"""Keys and, for elements of arrays, indices from 0, such as `("exercise", 2, "hold_s")`."""

_BARE = re.compile(r"""[^ \t\r\n=.,\[\]{}#'"]*""")
_NUMBER = re.compile(r"[^,\]}#\r\n]*")
_PLAIN = {'"': re.compile(r'[^"\\]+'), "'": re.compile(r"[^']+")}
"""What a string has between the letters that may mean more."""
_ANY = re.compile(r".", re.DOTALL)
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}


class Lines:
    """The lines of a TOML text, found by the path to a value.

    Args:
        text: A document that `tomllib` accepts.

    Raises:
        RecursionError: If it is nested as deeply as makes `tomllib` do so.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))
        self._lines: dict[Key, int] = {}
        self._counts: dict[Key, int] = {}
        self._read_document()

    def line(self, path: Key) -> int:
        """Return the line, counted from 1, of the key or element at `path`.

        Of a path that is not in the document: the line of the nearest table around it, and 1 for
        one that has none.
        """
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def has(self, path: Key) -> bool:
        """Return whether the document has something at `path`."""
        return path in self._lines

    def _mark(self, path: Key, at: int) -> None:
        self._lines.setdefault(path, bisect_right(self._starts, at))

    def _peek(self, length: int = 1) -> str:
        return self._text[self._at : self._at + length]

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match.group()

    def _skip(self, *, lines: bool) -> None:
        blanks = " \t\r\n" if lines else " \t"
        while (character := self._peek()) and (character in blanks or character == "#"):
            if character != "#":
                self._at += 1
            elif lines:
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            else:
                return

    def _read_document(self) -> None:
        table: Key = ()
        self._skip(lines=True)
        while self._peek():
            start = self._at
            if self._peek() == "[":
                is_array = self._peek(2) == "[["
                self._at += 2 if is_array else 1
                table = self._enter(self._read_key(), is_array=is_array, at=start)
                self._at += 2 if is_array else 1
            else:
                self._read_pair(table)
            self._skip(lines=True)

    def _enter(self, keys: list[str], *, is_array: bool, at: int) -> Key:
        """Return the path of the table that the header `[keys]` or `[[keys]]` at `at` opens."""
        path: Key = ()
        for key in keys[:-1]:
            path = self._last((*path, key), at)
        path = (*path, keys[-1])
        self._mark(path, at)
        if is_array:
            index = self._counts[path] = self._counts.get(path, -1) + 1
            path = (*path, index)
            self._mark(path, at)
        return path

    def _last(self, path: Key, at: int) -> Key:
        self._mark(path, at)
        return (*path, self._counts[path]) if path in self._counts else path

    def _read_pair(self, table: Key) -> None:
        start = self._at
        path = table
        for key in self._read_key():
            path = (*path, key)
            self._mark(path, start)
        self._at += 1  # the equals sign
        self._skip(lines=False)
        self._read_value(path)

    def _read_key(self) -> list[str]:
        """Read a dotted key up to what follows it: an equals sign or a closing bracket."""
        keys = []
        while True:
            self._skip(lines=False)
            if self._peek() in ("'", '"'):
                keys.append(self._read_string())
            else:
                keys.append(self._take(_BARE))
            self._skip(lines=False)
            if self._peek() != ".":
                return keys
            self._at += 1

    def _read_value(self, path: Key) -> None:
        character = self._peek()
        if character in ("'", '"'):
            self._read_string()
        elif character == "[":
            self._read_array(path)
        elif character == "{":
            self._at += 1
            self._skip(lines=True)
            while self._peek() not in ("}", ""):
                self._read_pair(path)
                self._skip_comma()
            self._at += 1
        else:
            self._take(_NUMBER)

    def _read_array(self, path: Key) -> None:
        self._at += 1
        self._skip(lines=True)
        index = 0
        while self._peek() not in ("]", ""):
            self._mark((*path, index), self._at)
            self._read_value((*path, index))
            self._skip_comma()
            index += 1
        self._at += 1

    def _skip_comma(self) -> None:
        self._skip(lines=True)
        if self._peek() == ",":
            self._at += 1
            self._skip(lines=True)

    def _read_string(self) -> str:
        quote = self._peek()
        if self._peek(3) == quote * 3:
            self._at += 3
            return self._read_until(quote * 3)
        self._at += 1
        return self._read_until(quote)

    def _read_until(self, quotes: str) -> str:
        parts: list[str] = []
        while character := self._peek():
            if self._peek(len(quotes)) == quotes:
                self._at += len(quotes)
                while len(quotes) > 1 and self._peek() == quotes[0]:
                    self._at += 1  # up to two quotes may stand before the closing ones
                break
            if character == "\\" and quotes[0] == '"':
                parts.append(self._read_escape())
            else:
                parts.append(self._take(_PLAIN[quotes[0]]) or self._take(_ANY))
        return "".join(parts)

    def _read_escape(self) -> str:
        kind = self._text[self._at + 1 : self._at + 2]
        self._at += 2
        digits = _HEX_DIGITS.get(kind, 0)
        if not digits:
            return _ESCAPES.get(kind, kind)
        code = self._peek(digits)
        self._at += digits
        return chr(int(code, 16))
