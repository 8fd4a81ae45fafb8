"""Bends an input by a short program: the same program always bends it the same way.

A program is bytes, so that Hypothesis can shorten the one that broke something, and a run of a
million can draw them cheaply. Each edit takes four bytes: what, where (two), and with what.
"""

import re
from collections.abc import Callable, Sequence

EDIT = 4
MOST_EDITS = 8
LARGEST = 300_000

_TOKENS: tuple[bytes, ...] = (
    b"",
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1e400",
    b"-0.0",
    b"NaN",
    b"9" * 40,
    b"9" * 5_000,
    b"18446744073709551616",
    b'""',
    b'"\\u0000"',
    b'"\\ud800"',
    b'"' + b"x" * 3_000 + b'"',
    b"[]",
    b"{}",
    b"[[]]",
    b'{"":{}}',
    b"[null]",
    b"<a/>",
    b"</a>",
    b"<!DOCTYPE a>",
    b"<![CDATA[<]]>",
    b"&#0;",
    b"&lt;",
    b"\0",
    b"\r\n",
    b"\xff\xfe",
    b"\xc3",
    "\u0661\u00b2\u202e".encode(),
    b"9999-12-31T23:59:59Z",
    b"0000-00-00",
    b"0001-01-01T00:00:00+14:00",
    b"13/45/99999",
    b"2026-02-30",
    b"1 2 3",
    b",",
    b":",
    b"=",
    b"%00",
    b"inf",
)
_VALUES = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|(?<=>)[^<]+(?=<)|true|false|null')

Edit = Callable[[bytes, int, int], bytes]


def mutated(seeds: Sequence[bytes], choice: int, program: bytes) -> bytes:
    """One of the seeds, after the edits of the program."""
    data = seeds[choice % len(seeds)]
    for start in range(0, min(len(program), EDIT * MOST_EDITS) - EDIT + 1, EDIT):
        what, high, low, using = program[start : start + EDIT]
        edit = _EDITS[what % len(_EDITS)]
        data = edit(data, (high << 8 | low) * (len(data) + 1) >> 16, using)[:LARGEST]
    return data


def _flip(data: bytes, at: int, using: int) -> bytes:
    if at >= len(data):
        return data
    return data[:at] + bytes((data[at] ^ (1 << using % 8),)) + data[at + 1 :]


def _put(data: bytes, at: int, using: int) -> bytes:
    return data[:at] + bytes((using,)) + data[at + 1 :]


def _insert(data: bytes, at: int, using: int) -> bytes:
    return data[:at] + _TOKENS[using % len(_TOKENS)] + data[at:]


def _delete(data: bytes, at: int, using: int) -> bytes:
    return data[:at] + data[at + 1 + using :]


def _cut(data: bytes, at: int, using: int) -> bytes:
    return data[:at]


def _repeat(data: bytes, at: int, using: int) -> bytes:
    return data[:at] + data[at : at + 1 + using] * (2 + using % 7) + data[at + 1 + using :]


def _replace(data: bytes, at: int, using: int) -> bytes:
    """Another value in the place of the first one from here on."""
    found = _VALUES.search(data, at)
    if found is None:
        return data
    return data[: found.start()] + _TOKENS[using % len(_TOKENS)] + data[found.end() :]


def _swap(data: bytes, at: int, using: int) -> bytes:
    """Two values that change places."""
    first = _VALUES.search(data, at)
    second = first and _VALUES.search(data, first.end() + using)
    if first is None or second is None:
        return data
    between = data[first.end() : second.start()]
    return data[: first.start()] + second[0] + between + first[0] + data[second.end() :]


def _nest(data: bytes, at: int, using: int) -> bytes:
    """A value deep inside others."""
    found = _VALUES.search(data, at)
    begin, end = (b"[", b"]") if using % 2 else (b"<a>", b"</a>")
    if using % 4 > 1:
        begin, end = b'{"a":', b"}"
    levels = (1, 30, 200, 1_000, 10_000)[using % 5]
    span = found.span() if found else (at, at)
    return data[: span[0]] + begin * levels + data[slice(*span)] + end * levels + data[span[1] :]


_EDITS: tuple[Edit, ...] = (
    _flip,
    _put,
    _insert,
    _delete,
    _cut,
    _repeat,
    _replace,
    _replace,
    _replace,
    _swap,
    _nest,
)
