"""A session that replays answers written by hand, and keeps the requests that asked for them."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from frontdesk.vendors.contract import Access, Answer, Request


def told(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer; bytes go as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, headers or {}, raw)


def path_of(request: Request) -> str:
    return urlsplit(request.url).path


def query_of(request: Request) -> dict[str, str]:
    return {name: given[0] for name, given in parse_qs(urlsplit(request.url).query).items()}


def sent(request: Request) -> Any:
    """The JSON body of a request."""
    assert request.body is not None
    return json.loads(request.body)


class ReplaySession:
    """See `frontdesk.vendors.contract.Session`. `answer` gets each request."""

    def __init__(
        self,
        access: Access,
        answer: Callable[[Request], Answer],
        x_property_ids: Sequence[str] = (),
    ) -> None:
        self._access = access
        self._answer = answer
        self._x_property_ids = tuple(x_property_ids)
        self.calls: list[Request] = []

    @property
    def access(self) -> Access:
        return self._access

    @property
    def x_property_ids(self) -> Sequence[str]:
        return self._x_property_ids

    async def call(self, request: Request) -> Answer:
        self.calls.append(request)
        return self._answer(request)
