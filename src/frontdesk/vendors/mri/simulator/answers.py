"""MRI's answers: entries in XML or JSON, lists with their links, refusals in plain text, and the
error that stands inside a normal answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from frontdesk.sandbox.simulator import Json, Reply, Request

PAGE_SIZE = 300
"""Records on a page where `$top` does not say."""

_QUERY_DATE = re.compile(r"(\d\d)-(\d\d)-(\d{4})")
_XML = "application/xml; charset=utf-8"


class Refusal(Exception):  # noqa: N818 (a value of the wire, not an error of ours)
    """A request that MRI refuses, with the answer that says so."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def plain(status: int, words: str) -> Reply:
    """A refusal in plain text."""
    return Reply(status, words.encode(), (("Content-Type", "text/plain; charset=utf-8"),))


def refuse(words: str) -> Refusal:
    """A 400 in plain text, to be raised."""
    return Refusal(plain(400, words))


def one(request: Request, name: str) -> str | None:
    """The value of a query parameter (its name in any case), or None; an empty one counts as none."""
    for key, values in request.query.items():
        if key.lower() == name.lower():
            return values[-1] or None
    return None


def needed(request: Request, name: str) -> str:
    """The value of a query parameter that must be there."""
    value = one(request, name)
    if value is None:
        raise refuse(f"{name}: A value is required for this parameter.")
    return value


def query_date(request: Request, name: str) -> date | None:
    """A date as a query has it: `MM-DD-YYYY`, nothing else."""
    text = one(request, name)
    if text is None:
        return None
    if found := _QUERY_DATE.fullmatch(text):
        try:
            return date(int(found[3]), int(found[1]), int(found[2]))
        except ValueError:
            pass  # the 31st of February has the form of a date, and is refused below like the rest
    raise refuse(f"{name}: The date must have the format MM-DD-YYYY.")


def api_of(request: Request) -> str:
    """The name of the API that is asked for."""
    return one(request, "$api") or ""


def wants_json(request: Request) -> bool:
    """Whether the answer shall be JSON; XML where nothing is said."""
    return (one(request, "$format") or "xml").lower() == "json"


def midnight(day: date) -> str:
    """A date as an answer writes it: local midnight, no offset."""
    return f"{day.isoformat()}T00:00:00.0000000"


def clock(moment: datetime) -> str:
    """A time of day as `ActionTime` has it."""
    return moment.strftime("%H:%M:%S")


def written(request: Request, entry: Json, error: str | None = None) -> Reply:
    """The answer to a write: the entry echoed, and in it the error where there is one."""
    shown = {**entry, "Error": {"Message": error}} if error is not None else entry
    if wants_json(request):
        return Reply.json(200, {"value": [shown]})
    root = api_of(request).lower() or "entries"
    return Reply(200, f"<{root}>{_entry(shown)}</{root}>".encode(), (("Content-Type", _XML),))


def listed(request: Request, rows: Iterable[Json]) -> Reply:
    """One page by `$top` and `$skip`, with a link to the next where there is one.

    GUESS, after an observed link (`$top=300&$skip=301`): `$skip` names the record to begin with.
    """
    everything = list(rows)
    top = _count(request, "$top", PAGE_SIZE, most=PAGE_SIZE)
    begin = max(1, _count(request, "$skip", 1, most=1 << 31))
    shown = everything[begin - 1 : begin - 1 + top]
    after = begin + top
    link = _link(request, top, after) if after <= len(everything) else None
    if wants_json(request):
        return Reply.json(200, _document(request, shown, link))
    root = api_of(request).lower()
    attribute = "" if link is None else f' NextPageLink="{_attribute(link)}"'
    inside = "".join(_entry(row) for row in shown)
    return Reply(200, f"<{root}{attribute}>{inside}</{root}>".encode(), (("Content-Type", _XML),))


def _document(request: Request, shown: Sequence[Json], link: str | None) -> Json:
    api = api_of(request)
    root = api.lower()
    page = f"{request.base_url}{request.path}?$api={api}"
    document: Json = {"odata.metadata": f"{page}&$metadata#MRI.{root}-container/{root}"}
    if link is not None:
        document["nextLink"] = link
    return {**document, "value": list(shown)}


def _link(request: Request, top: int, after: int) -> str:
    kept = [
        (name, value)
        for name, values in request.query.items()
        for value in values
        if name.lower() not in ("$top", "$skip")
    ]
    query = urlencode([*kept, ("$top", str(top)), ("$skip", str(after))], quote_via=quote)
    return f"{request.base_url}{request.path}?{query}"


def _count(request: Request, name: str, default: int, *, most: int) -> int:
    text = one(request, name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise refuse(f"{name}: A whole number is required.")
    return min(int(text), most)


def _entry(row: Json) -> str:
    return f"<entry>{''.join(_element(name, value) for name, value in row.items())}</entry>"


def _element(name: str, value: object) -> str:
    if value is None:
        return f"<{name}/>"
    if isinstance(value, dict):
        return f"<{name}>{''.join(_element(n, v) for n, v in value.items())}</{name}>"
    # A reader turns a carriage return that is no reference into a line feed (XML 1.0, 2.11).
    return f"<{name}>{escape(str(value), {chr(13): '&#13;'})}</{name}>"


def _attribute(text: str) -> str:
    return escape(text, {'"': "&quot;"})
