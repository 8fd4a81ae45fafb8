"""What every connector must do with text that its wire may not hold: carry it to the letter, or
refuse it by the field's name. Never cut, never altered, never a broken request.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.delivery.matching import Known, find
from frontdesk.events.fields import FIELDS, Kind
from frontdesk.vendors.contract import OutcomeKind, Plan
from tests.conformance.pms import Draft, Pms, Untakeable, leaves, said, taken_fields

UNUSUAL = {
    "a start of heading": "\x01",
    "a vertical tab": "\x0b",
    "an escape": "\x1b[31m",
    "a delete": "\x7f",
    "a next line": "\x85",
    "a no-break space": "\xa0",
    "a soft hyphen": "\xad",
    "a right-to-left override": "\u202e",
    "a paragraph separator": "\u2029",
    "a private character": "\ue000",
    "a noncharacter": "\ufffe",
    "the last character": "\U0010ffff",
}
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
EXAMPLES = settings(max_examples=60, deadline=None, database=None, derandomize=True)


def texts_of(pms: Pms) -> list[str]:
    return [name for name in taken_fields(pms.declaration) if FIELDS[name].kind is Kind.TEXT]


def arrives(pms: Pms, draft: Draft, name: str, text: str) -> Plan | None:
    """The plan that carries the field's text; None where it was refused, by the field's name."""
    draft.fields[name] = text
    try:
        plan = pms.planned(draft)
    except Untakeable as error:
        refusal = str(error)
    else:
        assert any(text in leaf for leaf in said(pms.request(plan))), (name, text)
        return plan
    assert f"'{name}'" in refusal, refusal
    return None


async def test_an_unusual_character_arrives_or_is_refused(pms: Pms) -> None:
    _, draft = pms.plan_with(["notes"])
    for what, unusual in UNUSUAL.items():
        text = f"before{unusual}after"
        plan = arrives(pms, draft, "notes", text)
        if plan is None:
            continue
        _, outcome = await pms.send(plan)
        assert outcome.kind is OutcomeKind.DELIVERED, (what, outcome)
        assert text in leaves((await pms.session.sandbox.effects())[-1]), what
        if pms.declaration.read_back.possible:
            resident, where = pms.resident_of(draft), plan.trace.where
            events = await pms.connector.read_events(pms.session, resident, where)
            assert find(plan.trace, events, Known((), None)) is not None, what


async def test_any_text_arrives_or_is_refused_in_every_free_field(pms: Pms) -> None:
    for name in texts_of(pms):
        _, draft = pms.plan_with([name])
        # What people write is no reason to refuse.
        letters = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA1, 0x180), 0x5D0, 0x1F3E0]))
        assert arrives(pms, draft, name, letters) is not None, name

        @EXAMPLES
        @given(text=ANY_TEXT)
        def attempt(text: str) -> None:
            arrives(pms, draft, name, text)  # noqa: B023 — called before the next name comes

        attempt()
