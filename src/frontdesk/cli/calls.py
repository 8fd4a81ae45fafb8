"""How a command calls the API and the sandbox: JSON both ways, refusals in the other side's words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from frontdesk.cli.failure import CommandFailed


@dataclass(frozen=True, slots=True)
class Reached:
    """An answer: its status and its JSON."""

    status: int
    body: Any


async def call(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    body: object | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reached:
    """One request, whatever is answered. Raises CommandFailed where no JSON comes back."""
    sent = dict(headers or {})
    if body is not None:
        sent["Content-Type"] = "application/json"
    try:
        async with session.request(
            method,
            url,
            data=None if body is None else json.dumps(body),
            headers=sent,
            allow_redirects=False,
        ) as answer:
            text = await answer.text()
            status = answer.status
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise CommandFailed(f"{method} {url} got no answer: {error or 'timeout'}") from error
    try:
        return Reached(status, json.loads(text))
    except ValueError as error:
        raise CommandFailed(f"{method} {url} was answered with {status} and no JSON.") from error


async def ask(
    session: aiohttp.ClientSession, method: str, url: str, body: object | None = None
) -> Any:
    """The JSON of a 200. Raises CommandFailed with what was answered instead."""
    reached = await call(session, method, url, body)
    if reached.status != 200:
        # Never the request: it may hold credentials.
        shown = json.dumps(reached.body)[:500]
        raise CommandFailed(f"{method} {url} was answered with {reached.status}: {shown}")
    return reached.body


async def every(session: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    """All records of a list, page by page; `url` has its filters, and no limit of its own."""
    records: list[dict[str, Any]] = []
    mark = "&" if "?" in url else "?"
    while True:
        page = await ask(
            session, "GET", f"{url}{mark}limit=250&offset={len(records)}&order-by=created_at:asc"
        )
        records.extend(page["results"])
        if not page["meta"]["hasMore"]:
            return records
