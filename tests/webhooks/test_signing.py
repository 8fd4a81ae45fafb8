"""Both signatures: the plain one, and the one that a stock Standard Webhooks verifier accepts."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from frontdesk.database.pool import Database
from frontdesk.webhooks.signing import Secrets, key_of, new_secret, signed_headers
from tests.conftest import LiveServer, until
from tests.events.world import World
from tests.webhooks.conftest import PATH, Hook, accepted, dispatching, ends, said
from tests.webhooks.receiver import Received, Receiver


def plain(secret: str, one: Received) -> str:
    """What a receiver that knows nothing but the secret and the body computes."""
    return hmac.new(secret.encode(), one.text.encode(), hashlib.sha256).hexdigest()


def passes(secret: str | bytes, one: Received) -> bool:
    """Whether the stock verifier lets it through."""
    try:
        Webhook(secret).verify(one.text, one.headers)
    except WebhookVerificationError:
        return False
    return True


async def delivered_to(
    client: aiohttp.ClientSession, hook: dict[str, Any], receiver: Receiver
) -> Received:
    """A delivery to this webhook."""
    before = len(receiver.received)
    await said(client, "POST", f"{PATH}/{hook['id']}/test", json={})
    await until(lambda: receiver.has(before + 1))
    return receiver.received[before]


async def test_a_stock_verifier_accepts_what_is_sent_and_nothing_else(
    client: aiohttp.ClientSession, receiver: Receiver, hook: Hook, dispatcher: None
) -> None:
    made = await hook()
    one = await delivered_to(client, made, receiver)
    assert one.headers["content-type"] == "application/json"
    assert one.headers["frontdesk-signature"] == plain(made["secret"], one)
    assert passes(made["secret"], one)
    assert not passes(new_secret(), one)
    assert not passes(made["secret"], Received(one.path, one.headers, one.text + " "))
    for name, value in (("webhook-id", "another"), ("webhook-timestamp", "1")):
        assert not passes(
            made["secret"], Received(one.path, {**one.headers, name: value}, one.text)
        )


async def test_a_secret_of_ones_own_signs_with_its_characters(
    client: aiohttp.ClientSession, receiver: Receiver, hook: Hook, dispatcher: None
) -> None:
    one = await delivered_to(client, await hook(secret="open-sesame-4711"), receiver)
    assert one.headers["frontdesk-signature"] == plain("open-sesame-4711", one)
    assert passes(b"open-sesame-4711", one)


async def test_both_secrets_sign_during_the_overlap_and_the_new_one_alone_after_it(
    client: aiohttp.ClientSession,
    database: Database,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    made = await hook()
    path = f"{PATH}/{made['id']}"
    rotated = (await said(client, "POST", f"{path}/rotate-secret", json={}))["result"]
    old, new = made["secret"], rotated["secret"]
    assert new not in (old, None)
    assert rotated["previous_secret_until"] is not None
    one = await delivered_to(client, made, receiver)
    assert passes(old, one)
    assert passes(new, one)
    assert one.headers["frontdesk-signature"] == plain(new, one)
    assert one.headers["frontdesk-signature-previous"] == plain(old, one)
    await database.execute(
        "UPDATE webhooks SET previous_secret_until = now() - interval '1 second' "
        "WHERE id::text = $1",
        made["id"],
    )
    one = await delivered_to(client, made, receiver)
    assert not passes(old, one)
    assert passes(new, one)
    assert "frontdesk-signature-previous" not in one.headers


async def test_without_an_overlap_the_old_secret_signs_nothing_more(
    client: aiohttp.ClientSession, receiver: Receiver, hook: Hook, dispatcher: None
) -> None:
    made = await hook()
    change = {"secret": "my-own-secret", "overlap_hours": 0}
    rotated = await said(client, "POST", f"{PATH}/{made['id']}/rotate-secret", json=change)
    assert rotated["result"]["secret"] == "my-own-secret"
    one = await delivered_to(client, made, receiver)
    assert passes(b"my-own-secret", one)
    assert not passes(made["secret"], one)
    # A new secret by an update overlaps as well.
    changed = await said(client, "PUT", f"{PATH}/{made['id']}", json={"secret": "the-next-secret"})
    assert changed["result"]["secret"] == "the-next-secret"
    one = await delivered_to(client, made, receiver)
    assert passes(b"my-own-secret", one)
    assert passes(b"the-next-secret", one)


async def test_callbacks_are_signed_with_the_accounts_callback_secret(
    client: aiohttp.ClientSession,
    strange_client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    dispatcher: None,
) -> None:
    path = f"{PATH}/callback-secret"
    nothing = (await said(client, "GET", path))["results"]
    assert nothing["created_at"] is None

    async def called() -> Received:
        before = len(receiver.received)
        await ends(database, await accepted(client, maple, callback_url=receiver.url), "succeeded")
        await until(lambda: receiver.has(before + 1))
        return receiver.received[before]

    # Nobody has asked for the secret yet: that holds no callback back.
    await called()
    assert (await said(client, "GET", path))["results"]["created_at"] is not None
    first = (await said(client, "POST", path, json={"overlap_hours": 1}))["result"]["secret"]
    one = await called()
    assert passes(first, one)
    assert one.headers["frontdesk-signature"] == plain(first, one)
    second = (await said(client, "POST", path, json={}))["result"]["secret"]
    one = await called()
    assert passes(first, one)
    assert passes(second, one)
    assert (await said(strange_client, "GET", path))["results"]["created_at"] is None
    async with client.get(path) as answer:
        assert second not in await answer.text()


async def test_the_plain_signatures_header_can_have_the_name_that_receivers_know(
    client: aiohttp.ClientSession,
    server: LiveServer,
    database_url: str,
    receiver: Receiver,
    hook: Hook,
) -> None:
    made = await hook()
    async with dispatching(database_url, webhook_signature_header="X-Known-Signature"):
        one = await delivered_to(client, made, receiver)
    assert one.headers["x-known-signature"] == plain(made["secret"], one)
    assert "frontdesk-signature" not in one.headers


@given(st.text(min_size=1), st.binary(min_size=1, max_size=64))
def test_any_body_and_any_key_pass_the_stock_verifier(body: str, key: bytes) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    body = body.encode("utf-8", "replace").decode()
    headers = signed_headers(Secrets(secret), "an-id", datetime.now(UTC), body, header="x-plain")
    Webhook(secret).verify(body, headers, json_parse=False)
    assert key_of(secret) == key


def test_a_signature_that_is_too_old_is_refused_by_the_stock_verifier() -> None:
    secret = new_secret()
    old = datetime.now(UTC) - timedelta(minutes=6)
    headers = signed_headers(Secrets(secret), "an-id", old, "{}", header="x-plain")
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify("{}", headers)
