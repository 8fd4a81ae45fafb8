"""The simulated MRI against its wire: users, actions, and every way in which it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.sandbox.running import Answer, running_sandbox
from tests.vendors.mri.mri_calls import (
    ACTIONS,
    CREATE,
    GIVEN,
    RESIDENT,
    UPDATE,
    Mri,
    basic,
    document,
    entry_in,
    user_of,
)


@pytest.fixture
async def mri(tmp_path: Path) -> AsyncIterator[Mri]:
    async with running_sandbox(tmp_path, "MRI") as sandbox:
        yield Mri(sandbox, (await sandbox.overview())["vendors"]["MRI"])


async def is_refused(mri: Mri, answer: Answer, words: str) -> None:
    """A 400 in plain text with these words, and no effect."""
    assert answer.status == 400, answer.body
    assert (answer.header("Content-Type") or "").startswith("text/plain")
    assert words in answer.body.decode()
    assert await mri.sandbox.effects() == []


async def is_refused_inside(mri: Mri, answer: Answer, words: str) -> None:
    """A normal answer with the entry and an error in it, no Id, and no effect."""
    assert answer.status == 200, answer.body
    assert words in entry_in(answer)["Error/Message"]
    assert await mri.sandbox.effects() == []


# --- auth: a Basic user of four parts -----------------------------------------------------------


async def test_every_credential_set_is_accepted(mri: Mri) -> None:
    for credentials in mri.vendor["credential_sets"]:
        mri.user = user_of(credentials)
        assert (await mri.call("GET", ACTIONS, {"NameID": RESIDENT})).status == 200


async def test_one_bad_part_of_the_user_is_an_unexplained_401(mri: Mri) -> None:
    for part in [0, 1, 2, 3, 4]:
        own = mri.vendor["credentials"]
        parts = [own["clientId"], own["databaseName"], own["username"], own["partnerKey"]]
        parts.append(own["password"])
        parts[part] = "other"
        mri.user = basic("/".join(parts[:4]), parts[4])
        answer = await mri.create()
        assert (answer.status, answer.body) == (401, b"")
        assert await mri.sandbox.effects() == []


async def test_a_user_of_another_form_is_a_401(mri: Mri) -> None:
    for header in ["", "Basic", "Basic !", "Bearer abc", "Basic YTpi"]:
        answer = await mri.call(
            "GET", ACTIONS, {"NameID": RESIDENT}, headers={"Authorization": header}
        )
        assert answer.status == 401


async def test_a_user_who_may_only_read_reads_and_cannot_write(mri: Mri) -> None:
    mri.user = user_of(mri.examples["readonly_credentials"])
    assert (await mri.call("GET", ACTIONS, {"NameID": RESIDENT})).status == 200
    await is_refused(mri, await mri.create(), "no access")


# --- the write ----------------------------------------------------------------------------------


async def test_success_echoes_the_entry_with_action_time_numeric_id_and_external_id(
    mri: Mri,
) -> None:
    answer = await mri.create(LeasingAgentId="AGENT01", ActionStatus="OPEN")
    assert answer.status == 200
    assert ElementTree.fromstring(answer.body).tag == CREATE.lower()
    entry = entry_in(answer)
    assert {**entry, **GIVEN, "ActionStatus": "OPEN"} == entry
    assert entry["Id"].isdigit()
    assert len(entry["ActionTime"].split(":")) == 3
    assert "ExternalID" in entry
    (effect,) = await mri.sandbox.effects()
    assert (effect["x_id"], effect["x_resident_id"]) == (entry["Id"], RESIDENT)
    assert effect["text"] == "Asked about parking"
    assert effect["occurred_at"] == "2026-03-02T07:00:00.000000Z"


async def test_the_agents_field_drifts_in_case_between_request_and_answer(mri: Mri) -> None:
    entry = entry_in(await mri.create(LeasingAgentId="AGENT01"))
    assert entry["LeasingAgentID"] == "AGENT01"
    assert "LeasingAgentId" not in entry


async def test_an_answer_can_be_asked_for_in_json(mri: Mri) -> None:
    answer = await mri.call("POST", CREATE, body=document(CREATE, GIVEN), kind="json")
    (entry,) = answer.json["value"]
    assert entry["ActionCodeID"] == "PH"


async def test_the_same_write_twice_makes_two_actions(mri: Mri) -> None:
    first, second = entry_in(await mri.create()), entry_in(await mri.create())
    assert first["Id"] != second["Id"]
    assert len(await mri.sandbox.effects()) == 2


async def test_the_observed_sibling_takes_the_same_entry_without_a_status(mri: Mri) -> None:
    answer = await mri.call("POST", ACTIONS, body=document(ACTIONS, GIVEN))
    assert entry_in(answer)["Id"].isdigit()
    with_status = {**GIVEN, "ActionStatus": "OPEN"}
    answer = await mri.call("POST", ACTIONS, body=document(ACTIONS, with_status))
    assert "ACTIONSTATUS" in entry_in(answer)["Error/Message"]


async def test_text_is_kept_to_the_letter(mri: Mri) -> None:
    for text in ["a\r\nb\tc", " spaces ", "<&>\"'", "東京 🏠 שלום", "", "x" * 70_000]:
        body = document(CREATE, {**GIVEN, "ActionDescription": text}).replace(b"\r", b"&#13;")
        answer = await mri.call("POST", CREATE, body=body)
        assert entry_in(answer)["ActionDescription"] == text
        rows = await mri.listed(ACTIONS, NameID=RESIDENT)
        assert rows[-1]["ActionDescription"] == text


async def test_an_update_keeps_what_it_does_not_name(mri: Mri) -> None:
    x_id = entry_in(await mri.create(ActionStatus="OPEN"))["Id"]
    answer = await mri.update(Id=x_id, NameID=RESIDENT, ActionStatus="COMPLETED")
    entry = entry_in(answer)
    assert entry["Id"] == x_id
    assert (entry["ActionStatus"], entry["ActionDescription"]) == (
        "COMPLETED",
        "Asked about parking",
    )
    assert [effect["operation"] for effect in await mri.sandbox.effects()] == ["create", "update"]
    again = entry_in(await mri.update(Id=x_id, ActionDate="2026-04-05T00:00:00"))
    assert again["ActionDate"] == "2026-04-05T00:00:00.0000000"


# --- time ---------------------------------------------------------------------------------------


async def test_a_clock_time_in_the_date_does_not_survive(mri: Mri) -> None:
    entry = entry_in(await mri.create(ActionDate="2026-03-02T14:31:00"))
    assert entry["ActionDate"] == "2026-03-02T00:00:00.0000000"


async def test_a_date_with_an_offset_or_of_another_form_is_refused(mri: Mri) -> None:
    for text in [
        "2026-03-02T00:00:00Z",
        "2026-03-02T00:00:00-07:00",
        "03-02-2026",
        "2026-02-31T00:00:00",
    ]:
        await is_refused_inside(mri, await mri.create(ActionDate=text), "ACTIONDATE")


@pytest.mark.parametrize(
    ("start", "end", "count"), [("03-02-2026", "03-02-2026", 1), ("03-03-2026", "12-31-2026", 0)]
)
async def test_query_dates_are_month_day_year(mri: Mri, start: str, end: str, count: int) -> None:
    await mri.create()
    rows = await mri.listed(ACTIONS, NameID=RESIDENT, StartDate=start, EndDate=end)
    ours = [row for row in rows if row["ActionDescription"] == GIVEN["ActionDescription"]]
    assert len(ours) == count


async def test_a_query_date_of_another_form_is_a_400(mri: Mri) -> None:
    for text in ["2026-03-02", "3-2-2026", "02-31-2026"]:
        query = {"NameID": RESIDENT, "StartDate": text, "EndDate": text}
        await is_refused(mri, await mri.call("GET", ACTIONS, query), "MM-DD-YYYY")


# --- failures -----------------------------------------------------------------------------------


WRONG_ENTRIES: list[tuple[dict[str, str | None], str]] = [
    ({"NameID": "0000009999"}, "NAMEID"),
    ({"NameID": "4105"}, "NAMEID"),
    ({"NameID": None}, "NAMEID"),
    ({"ActionDate": None}, "ACTIONDATE"),
    ({"ActionCodeID": None}, "ACTIONCODEID"),
    ({"ActionCodeID": ""}, "ACTIONCODEID"),
    ({"ActionCodeID": "ZZ"}, "ACTIONCODEID"),
    ({"LeasingAgentId": "AGENT99"}, "LEASINGAGENTID"),
    ({"LeasingAgentId": "AGENT08"}, "LEASINGAGENTID"),
    ({"ActionStatus": "Done"}, "ACTIONSTATUS"),
    ({"LeasingAgentID": "AGENT01"}, "LEASINGAGENTID"),
    ({"Title": "x"}, "TITLE"),
]


async def test_what_is_wrong_with_an_entry_stands_in_a_normal_answer(mri: Mri) -> None:
    for changes, words in WRONG_ENTRIES:
        answer = await mri.create(**changes)
        await is_refused_inside(mri, answer, words)
        given = {k: v for k, v in {**GIVEN, **changes}.items() if v is not None}
        assert {name: entry_in(answer)[name] for name in given} == given


WRONG_UPDATES: list[tuple[dict[str, str], str]] = [
    ({}, "ID:"),
    ({"Id": "1"}, "ID:"),
    ({"Id": "x"}, "ID:"),
    ({"Id": "500001", "NameID": "0000004102"}, "NAMEID"),
    ({"Id": "500001", "ActionCodeID": "ZZ"}, "ACTIONCODEID"),
    ({"Id": "500001", "ActionDate": ""}, "ACTIONDATE"),
]


async def test_what_is_wrong_with_an_update_stands_in_a_normal_answer(mri: Mri) -> None:
    for entry, words in WRONG_UPDATES:
        await is_refused_inside(mri, await mri.update(**entry), words)


async def test_a_document_of_another_form_is_a_400_in_plain_text(mri: Mri) -> None:
    for body in [
        b"not xml",
        document(UPDATE, GIVEN),
        f"<{CREATE}><entry/></{CREATE}>".encode(),
        f"<{CREATE.lower()}/>".encode(),
        document(CREATE, GIVEN).replace(b"<entry>", b"<entry/><entry>"),
        document(CREATE, GIVEN).replace(b"</entry>", b"<NameID>1</NameID></entry>"),
        b"<!DOCTYPE x [<!ENTITY e 'x'>]>" + document(CREATE, GIVEN),
        document(CREATE, GIVEN)[:-1],
    ]:
        await is_refused(mri, await mri.call("POST", CREATE, body=body), "")


async def test_json_is_no_entry(mri: Mri) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await mri.call("POST", CREATE, body=b"{}", headers=headers)
    await is_refused(mri, answer, "content type")


async def test_an_unknown_api_is_a_400_and_another_page_a_404(mri: Mri) -> None:
    await is_refused(mri, await mri.call("GET", "MRI_S-PMRM_Nothing"), "does not exist")
    assert (await mri.call("GET", ACTIONS, page="/elsewhere.asp")).status == 404


async def test_a_create_by_put_or_an_update_by_post_is_a_405(mri: Mri) -> None:
    for method, api in (("PUT", CREATE), ("POST", UPDATE), ("GET", CREATE)):
        answer = await mri.call(method, api, body=document(api, GIVEN))
        assert answer.status == 405
        assert answer.header("Allow")
    assert await mri.sandbox.effects() == []


async def test_a_500_names_a_deadlock_wrote_nothing_and_the_next_try_succeeds(mri: Mri) -> None:
    await mri.sandbox.fault(vendor="MRI", fault="status", status=500, n=1)
    answer = await mri.create()
    assert answer.status == 500
    assert b"deadlock" in answer.body
    assert await mri.sandbox.effects() == []
    assert (await mri.create()).status == 200


async def test_an_error_can_be_put_into_a_normal_answer(mri: Mri) -> None:
    for code, words in [(None, "could not"), (500, "deadlock"), (77, "77")]:
        extra = {} if code is None else {"status": code}
        await mri.sandbox.fault(vendor="MRI", fault="error_in_200", n=1, **extra)
        answer = await mri.create()
        await is_refused_inside(mri, answer, words)
        assert entry_in(answer)["NameID"] == RESIDENT


async def test_a_result_of_failure_can_stand_in_a_normal_answer_without_an_id(mri: Mri) -> None:
    await mri.sandbox.fault(vendor="MRI", fault="error_in_200", level="envelope", n=1)
    entry = entry_in(await mri.create())
    assert "timed out" in entry["Result"]
    assert "Id" not in entry
    assert await mri.sandbox.effects() == []


async def test_a_slow_answer_is_a_normal_answer(mri: Mri) -> None:
    await mri.sandbox.fault(vendor="MRI", fault="delay", seconds=0.3, n=1)
    assert entry_in(await mri.create())["Id"].isdigit()


# --- rate limit: 1,000 in any 300 s for each partner key ----------------------------------------


async def test_the_thousand_and_first_call_of_a_partner_key_is_a_429_without_retry_after(
    tmp_path: Path,
) -> None:
    # Twenty instead of a thousand: the factor scales the published number and nothing else.
    async with running_sandbox(tmp_path, "MRI", throttle_factor=0.02) as sandbox:
        mri = Mri(sandbox, (await sandbox.overview())["vendors"]["MRI"])
        for _ in range(19):
            assert (await mri.call("GET", ACTIONS, {"NameID": RESIDENT})).status == 200
        mri.user = user_of(mri.examples["another_user_of_the_same_partner_key"])
        assert (await mri.create()).status == 200
        answer = await mri.create()
        assert answer.status == 429
        assert answer.header("Retry-After") is None
        assert len(await sandbox.effects()) == 1
        mri.user = user_of(mri.vendor["credential_sets"][1])
        assert (await mri.create()).status == 200


def test_the_published_limit_is_a_thousand_in_five_minutes() -> None:
    from frontdesk.vendors.mri.simulator import SIMULATOR

    (window,) = SIMULATOR.limits.windows
    assert (window.amount, window.seconds) == (1000, 300)
    assert SIMULATOR.guesses
