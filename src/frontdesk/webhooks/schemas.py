"""What callers send about webhooks, and what they are answered.

Optional fields of a request default to None: absent, and `null` counts as absent.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, JsonValue, StringConstraints

from frontdesk.http.body import Body
from frontdesk.vendors.declaration import Model
from frontdesk.webhooks.signing import LONGEST_SECRET, SHORTEST_SECRET, is_sound
from frontdesk.webhooks.triggers import Trigger

MASK = "***"
"""Stands for the value of a header wherever a webhook is shown; sent back, it keeps the value."""

LARGEST_OVERLAP_HOURS = 168
DEFAULT_OVERLAP_HOURS = 24
MOST_HEADERS = 20

_TIME: dict[str, JsonValue] = {"format": "date-time"}


def _sound(secret: str) -> str:
    if not is_sound(secret):
        raise ValueError("after whsec_ base64 is expected")
    return secret


def _distinct(triggers: list[Trigger]) -> list[Trigger]:
    if len(set(triggers)) < len(triggers):
        raise ValueError("names a trigger twice")
    return triggers


Url = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Secret = Annotated[
    str,
    StringConstraints(
        min_length=SHORTEST_SECRET, max_length=LONGEST_SECRET, pattern=r"^[\x21-\x7e]+$"
    ),
    AfterValidator(_sound),
]
Triggers = Annotated[
    list[Trigger],
    Field(min_length=1, max_length=7, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]


class Header(Body):
    """A header that is sent along with every delivery."""

    header: Annotated[
        str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
    ] = Field(description="Its name.", examples=["X-Api-Key"])
    value: Annotated[
        str,
        StringConstraints(max_length=4000, pattern=r"^([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?$"),
    ] = Field(description=f"Never shown again: `{MASK}` stands for it, and sent back keeps it.")


class WebhookUpdate(Body):
    """The body of `PUT /v1/webhooks/{id}`: what is absent stays as it is."""

    url: Url | None = Field(None, description="Where the receiver is called.")
    triggers: Triggers | None = Field(None, description="What is told.")
    headers: list[Header] | None = Field(
        None, max_length=MOST_HEADERS, description="Headers that are sent along; replaces all."
    )
    active: bool | None = Field(
        None,
        description="`false` sends nothing and notes nothing new; what waits, waits. Default false. "
        "`true` also forgets why it was switched off.",
    )
    secret: Secret | None = Field(
        None,
        description="A secret of your own, printable ASCII without blanks; after `whsec_`, base64. "
        f"On an update the old one signs as well for {DEFAULT_OVERLAP_HOURS} more hours.",
    )
    model: Model | None = Field(None, description="`DATA_*` of this model alone.")


class WebhookCreate(WebhookUpdate):
    """The body of `POST /v1/webhooks/`."""

    url: Url = Field(
        description="Where the receiver is called: https.",
        examples=["https://receiver.example.com/frontdesk"],
    )
    triggers: Triggers = Field(description="What is told.")


class RotateSecret(Body):
    """The body of a rotation."""

    secret: Secret | None = Field(None, description="The new secret; made if absent.")
    overlap_hours: int | None = Field(
        None,
        ge=0,
        le=LARGEST_OVERLAP_HOURS,
        description=f"How long the old secret signs as well. Default {DEFAULT_OVERLAP_HOURS}.",
    )


class TestCall(Body):
    """The body of `POST …/test`."""

    trigger: Trigger | None = Field(
        None, description="What to pretend; one of the webhook's own if absent."
    )


class HeaderShape(BaseModel):
    """A header of a webhook; its value is never shown."""

    header: str
    value: Literal["***"]


class WebhookShape(BaseModel):
    """A webhook as it stands."""

    id: str
    created_at: str = Field(json_schema_extra=_TIME)
    updated_at: str = Field(json_schema_extra=_TIME)
    url: str
    triggers: list[Trigger]
    headers: list[HeaderShape]
    active: bool
    model: Model | None
    previous_secret_until: str | None = Field(
        json_schema_extra=_TIME, description="Until then the secret before signs as well."
    )
    last_success_at: str | None = Field(json_schema_extra=_TIME, description="To within a minute.")
    failing_since: str | None = Field(
        json_schema_extra=_TIME, description="The first failure since the last success."
    )
    disabled_at: str | None = Field(
        json_schema_extra=_TIME, description="When Frontdesk switched it off."
    )
    disabled_reason: str | None = Field(description="Why Frontdesk switched it off.")


class WebhookWithSecret(WebhookShape):
    """A webhook whose secret is shown, this once; null: it has not changed."""

    secret: str | None


class WebhookResult(BaseModel):
    """Answer of create, update and rotation."""

    result: WebhookWithSecret


class DeliveryShape(BaseModel):
    """One notice on its way to one receiver."""

    id: str = Field(description="The `webhook-id` of every attempt.")
    created_at: str = Field(json_schema_extra=_TIME)
    webhook_id: str
    trigger: Trigger
    sequence: int = Field(description="Grows from notice to notice of a webhook.")
    test: bool
    state: Literal["waiting", "sending", "delivered", "dead"] = Field(
        description="`dead`: given up; only a redelivery sends it again."
    )
    attempts: int
    next_attempt_at: str | None = Field(json_schema_extra=_TIME)
    last_attempt_at: str | None = Field(json_schema_extra=_TIME)
    finished_at: str | None = Field(json_schema_extra=_TIME)
    last_status: int | None = Field(description="What the receiver last answered.")
    last_error: str | None = Field(description="Why the last attempt failed.")
    body: str = Field(description="What is sent, as it is signed.")


class DeliveryResult(BaseModel):
    """Answer of a redelivery and of a test."""

    result: DeliveryShape


class Deleted(BaseModel):
    """What deleting says."""

    success: bool


class DeletedResult(BaseModel):
    """Answer of a deletion."""

    result: Deleted


class CallbackSecretShape(BaseModel):
    """The account's callback secret, without itself."""

    created_at: str | None = Field(
        json_schema_extra=_TIME, description="null: none has been needed or asked for yet."
    )
    rotated_at: str | None = Field(json_schema_extra=_TIME)
    previous_secret_until: str | None = Field(json_schema_extra=_TIME)


class CallbackSecretWithSecret(CallbackSecretShape):
    """The new callback secret, shown this once."""

    secret: str


class CallbackSecretResult(BaseModel):
    """Answer of the rotation."""

    result: CallbackSecretWithSecret
