"""What every connector must do with an event: carry all of it, or refuse it, and find it again."""

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from frontdesk.catalog.models import SYNCED
from frontdesk.delivery.matching import Claim, Known, earliest_stamp, find
from frontdesk.events.fields import FIELDS, Kind
from frontdesk.vendors.contract import Access, Answer, EventIntent, OutcomeKind, Request
from frontdesk.vendors.masking import masked
from tests.conformance.pms import Pms, Untakeable, leaves, other_value_of, said, taken_fields
from tests.vendors.live import synced

TEXTS = (
    "Straße, Łódź, 東京, 🏠👩‍👩‍👧, e\u0301",
    "first line\nsecond line\r\n\tindented",
    """{"a": "\\u0041 \\n", 'b': [1, null]}""",
    "<b>&amp; ]]> <!-- x --> <![CDATA[y]]> &#65; </note>",
    "שלום \u202eעולם\u202c مرحبا",  # noqa: RUF001 — meant to be Hebrew
    "% %41 + ? # ; = ${x} {{y}} ' \" ` \\",
    "\u200b\ufeffat the edges\u2028",
)
_OWN_WORDS = (Kind.TEXT, Kind.URI, Kind.EMAIL, Kind.CHOICE, Kind.SECONDS)
_SECRETS = ('key "ä<&>/+%=\\', "abc+/=defghijk", "line one & two")


def spelt_on_the_wire(name: str) -> bool:
    """Whether a wire has to hold the value as the caller wrote it."""
    # The one value of `event_type` says nothing, and the resident and the unit may be told by their
    # lease; whether these are told at all is asked apart.
    kind = FIELDS[name].kind
    return kind in _OWN_WORDS and len(FIELDS[name].choices) != 1


def basic_users_of(request: Request) -> list[str]:
    """Name and password of a Basic user (RFC 7617), who stands in no header in clear."""
    schemes = (value.partition(" ") for value in request.headers.values())
    return [b64decode(token).decode() for scheme, _, token in schemes if scheme.lower() == "basic"]


async def test_every_declared_field_arrives(pms: Pms) -> None:
    for name in taken_fields(pms.declaration):
        plan, draft = pms.plan_with([name])
        request = pms.request(plan)
        if spelt_on_the_wire(name):
            value = draft.fields[name]
            wanted = value if isinstance(value, str) else json.dumps(value)
        elif name in ("event_type_id", "event_sub_type_id", "event_result_id", "employee_id"):
            wanted = draft.records[name].x_id
        else:
            wanted = None
        if wanted is not None:
            assert any(wanted in leaf for leaf in said(request)), (name, request.body)
        _, outcome = await pms.send(plan)
        assert outcome.kind is OutcomeKind.DELIVERED, (name, outcome)
        effect = (await pms.session.sandbox.effects())[-1]
        assert effect["x_resident_id"] == draft.resident.x_id, name
        assert outcome.x_id in (None, effect["x_id"]), name
        if wanted is not None:
            assert any(wanted in leaf for leaf in leaves(effect)), (name, effect)


async def test_another_time_or_choice_is_another_request(pms: Pms) -> None:
    for name in taken_fields(pms.declaration):
        if FIELDS[name].kind not in (Kind.INSTANT, Kind.CLOCK, Kind.FLAG):
            continue
        plan, draft = pms.plan_with([name])
        draft.fields[name] = other_value_of(name)
        changed = pms.planned(draft)
        assert pms.request(changed) != pms.request(plan), name


async def test_another_resident_is_another_request(pms: Pms) -> None:
    plan, draft = pms.plan_with(["notes"])
    others = 0
    for resident in pms.catalog.get(draft.resident.model, {}).values():
        if resident.x_id == draft.resident.x_id:
            continue
        if [lease.status for lease in resident.leases] != ["current"]:
            continue
        changed_draft = replace(
            draft, resident=resident, records={**draft.records, "resident_id": resident}
        )
        try:
            changed = pms.planned(changed_draft)
        except Untakeable:
            continue  # what a PMS cannot record for somebody is its own folder's business
        assert pms.request(changed) != pms.request(plan)
        assert changed.trace.x_resident_id == resident.x_id
        others += 1
    assert others > 10


async def test_a_written_record_is_found_again_by_its_trace(pms: Pms) -> None:
    if not pms.declaration.read_back.possible:
        pytest.skip("this PMS cannot be asked")
    plan, draft = pms.plan_with({"notes": "Is found again"})
    resident = pms.resident_of(draft)
    before = await pms.connector.read_events(pms.session, resident, plan.trace.where)
    first_sent_at = datetime.now(UTC)
    answer, _ = await pms.send(plan)
    assert answer.status < 300
    (effect,) = await pms.session.sandbox.effects_with(plan.trace.text)
    limit = earliest_stamp(first_sent_at, pms.declaration.read_back.skew_s)
    known = Known({event.x_id for event in before}, limit)
    at_its_place = await pms.connector.read_events(pms.session, resident, plan.trace.where)
    for found in (at_its_place, await pms.connector.read_events(pms.session, resident)):
        ours = find(plan.trace, found, known)
        assert ours is not None
        assert ours.x_id == effect["x_id"]
        assert (ours.stamped_at is not None) == pms.declaration.read_back.stamped
    assert find(plan.trace, at_its_place, replace(known, twins=[Claim()])) is None
    assert find(plan.trace, at_its_place, replace(known, tied={effect["x_id"]})) is None
    assert find(replace(plan.trace, text="Another text"), at_its_place, known) is None


async def test_an_update_changes_the_record_where_it_is_declared(pms: Pms) -> None:
    if pms.declaration.update is None:
        assert pms.declaration.unsupported_reason
        return
    plan, draft = pms.plan_with({"notes": "Before"})
    await pms.send(plan)
    (effect,) = await pms.session.sandbox.effects_with("Before")
    resident = pms.resident_of(draft)
    changed = pms.connector.plan(
        EventIntent("update", resident, {"notes": "After"}, x_event_id=effect["x_id"])
    )
    _, outcome = await pms.send(changed)
    assert outcome.kind is OutcomeKind.DELIVERED, outcome
    events = {e.x_id: e.text for e in await pms.connector.read_events(pms.session, resident)}
    assert events[effect["x_id"]] == "After"


async def test_hostile_text_arrives_unharmed_and_is_found_again(pms: Pms) -> None:
    for text in TEXTS:
        plan, draft = pms.plan_with({"notes": text})
        assert text in said(pms.request(plan))
        _, outcome = await pms.send(plan)
        assert outcome.kind is OutcomeKind.DELIVERED, (text, outcome)
        assert len(await pms.session.sandbox.effects_with(text)) == 1, text
        events = await pms.connector.read_events(
            pms.session, pms.resident_of(draft), plan.trace.where
        )
        assert find(plan.trace, events, Known((), None)) is not None, text


async def test_hostile_text_reaches_the_wire_in_every_free_field(pms: Pms) -> None:
    for name in taken_fields(pms.declaration):
        if FIELDS[name].kind is not Kind.TEXT:
            continue
        for text in TEXTS:
            plan, _ = pms.plan_with({name: text})
            assert any(text in leaf for leaf in said(pms.request(plan))), (name, text)


async def test_text_of_exactly_the_limit_arrives_whole(pms: Pms) -> None:
    for name, taken in pms.operation().fields.items():
        if taken.max_length is None:
            continue
        text = ("ü€𝄞x" * taken.max_length)[: taken.max_length]
        plan, _ = pms.plan_with({name: text})
        assert text in said(pms.request(plan)), name
        _, outcome = await pms.send(plan)
        assert outcome.kind is OutcomeKind.DELIVERED, (name, outcome)
        assert text in leaves((await pms.session.sandbox.effects())[-1]), name
        with pytest.raises(AssertionError, match="too_long"):
            pms.plan_with({name: text + "x"})


async def test_no_secret_shows_in_a_masked_request(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "Nothing secret"})
    for secret in _SECRETS:
        credentials = {
            key.name: f"{secret}{key.name}" if key.secret else "shown"
            for key in pms.declaration.credentials
        }
        secrets = pms.declaration.secrets_of(credentials)
        assert secrets
        request = pms.request(plan, Access(pms.session.access.base_url, credentials))
        shown = json.dumps(masked(request, secrets), ensure_ascii=False)
        in_clear = " ".join(leaves(masked(request, secrets)))
        for value in secrets:
            assert value not in shown
            assert value not in in_clear
    assert "Nothing secret" in shown


async def test_no_secret_shows_in_a_masked_read(pms: Pms, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[Request] = []
    send = pms.session.send

    async def recorded(request: Request) -> Answer:
        requests.append(request)
        return await send(request)

    monkeypatch.setattr(pms.session, "send", recorded)
    await synced(pms.connector, pms.session)
    plan, draft = pms.plan_with({"notes": "Nothing secret"})
    await pms.connector.read_events(pms.session, pms.resident_of(draft), plan.trace.where)
    assert len(requests) > len(SYNCED) / 2
    secrets = pms.declaration.secrets_of(pms.session.access.credentials)
    assert secrets
    if pms.session.token is not None:
        secrets += (pms.session.token,)
    for request in requests:
        sent = "\n".join((request.url, *request.headers.values(), *basic_users_of(request)))
        assert any(secret in sent for secret in secrets) or request.body, "as whom does it read?"
        shown = json.dumps(masked(request, secrets), ensure_ascii=False)
        assert not [1 for secret in secrets if secret in shown], request.url
