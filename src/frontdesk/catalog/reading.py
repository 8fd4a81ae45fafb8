"""The session that a read job works through, and what is kept of it for the logs.

Passes every call on unchanged and remembers the last exchange, so that a failed read can be shown
with the request and the answer that it failed on, secrets masked. Tells the properties as the
catalog has them at this very step: in a first sync they come with the step before. Paces and counts
nothing: that is done by the session that it wraps.
"""

from collections.abc import Sequence
from typing import Any

from frontdesk.vendors.contract import Access, Answer, Request, Session
from frontdesk.vendors.declaration import Declaration
from frontdesk.vendors.masking import mask, masked

_LONGEST_BODY = 16_384


class RememberingSession:
    """A `Session` that remembers its last exchange."""

    def __init__(
        self, session: Session, declaration: Declaration, x_property_ids: Sequence[str]
    ) -> None:
        self._session = session
        self._x_property_ids = tuple(x_property_ids)
        self._secrets = declaration.secrets_of(session.access.credentials)
        self._request: Request | None = None
        self._answer: Answer | None = None

    @property
    def access(self) -> Access:
        """As the wrapped session's."""
        return self._session.access

    @property
    def x_property_ids(self) -> Sequence[str]:
        """PMS ids of the properties that take part."""
        return self._x_property_ids

    async def call(self, request: Request) -> Answer:
        """As the wrapped session's."""
        self._request, self._answer = request, None
        self._answer = await self._session.call(request)
        return self._answer

    def masked(self, text: str) -> str:
        """The text without the integration's secrets."""
        return mask(text, self._secrets)

    def shown_request(self) -> dict[str, Any] | None:
        """The last request as it may be stored."""
        return None if self._request is None else dict(masked(self._request, self._secrets))

    def shown_answer(self) -> dict[str, Any] | None:
        """The last answer as it may be stored: `{status, headers, body}`, a long body cut."""
        answer = self._answer
        if answer is None:
            return None
        body = self.masked(answer.body.decode("utf-8", "replace"))
        return {
            "status": answer.status,
            "headers": {name: self.masked(value) for name, value in answer.headers.items()},
            "body": body[:_LONGEST_BODY],
        }
