"""The simulated Propertyware's wire, by hand: what its SOAP service and its REST API refuse and how."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.sandbox.running import Answer, SandboxClient, running_sandbox

SERVICE = "/propertyware/pw/services/PWServices"
REST = "/propertyware/pw/api/rest/v1"
KEYS = ("x-propertyware-client-id", "x-propertyware-client-secret", "x-propertyware-system-id")
NAMESPACES = (
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="urn:PWServices" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
)
NOTE = '<subject xsi:type="xsd:string">Note</subject><body xsi:type="xsd:string">Keys</body>'
CONTACT = '<contact xsi:type="t:Contact"><ID xsi:type="xsd:long">73005</ID></contact>'
LEASE = '<lease xsi:type="t:Lease"><ID xsi:type="xsd:long">64003</ID></lease>'


class Wire:
    """A sandbox, called as its first credentials unless others are given."""

    def __init__(self, sandbox: SandboxClient, vendor: Any) -> None:
        self.sandbox = sandbox
        self.examples = vendor["examples"]
        self.credentials = vendor["credentials"]

    async def get(
        self,
        path: str,
        method: str = "GET",
        *,
        drop: tuple[str, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> Answer:
        names = ("clientId", "clientSecret", "systemId")
        own = dict(zip(KEYS, (self.credentials[name] for name in names), strict=True))
        given = {**own, **(headers or {})}
        return await self.sandbox.call(
            method, REST + path, headers={k: v for k, v in given.items() if k not in drop}
        )

    async def call(
        self,
        operation: str = "attachNoteToContact",
        note: str = NOTE,
        holder: str = CONTACT,
        *,
        body: bytes | None = None,
        namespace: str = "http://service.web.propertyware.realpage.com",
        user: str | None = None,
        password: str | None = None,
        **headers: str | None,
    ) -> Answer:
        user = user or self.credentials["username"]
        password = password or self.credentials["password"]
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        given = {
            "Authorization": f"Basic {token}",
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": '""',
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        envelope = (
            f'<soapenv:Envelope {NAMESPACES} xmlns:s="{namespace}"><soapenv:Body><s:{operation}>'
            f'<note xsi:type="t:Note">{note}</note>{holder}'
            f"</s:{operation}></soapenv:Body></soapenv:Envelope>"
        ).encode()
        return await self.sandbox.call(
            "POST",
            SERVICE,
            headers={name: value for name, value in given.items() if value is not None},
            body=envelope if body is None else body,
        )


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with running_sandbox(tmp_path, "PROPERTYWARE") as sandbox:
        overview = await sandbox.overview()
        yield Wire(sandbox, overview["vendors"]["PROPERTYWARE"])


def fault(answer: Answer, status: int = 500) -> str:
    """The fault's code and words."""
    assert answer.status == status, answer.body
    assert (answer.header("content-type") or "").startswith("text/xml")
    found = ElementTree.fromstring(answer.body)[0][0]
    assert found.tag.endswith("Fault")
    return f"{found.findtext('faultcode')} {found.findtext('faultstring')}"


# --- SOAP: what it does -------------------------------------------------------------------------


async def test_a_note_on_a_contact_is_answered_with_its_id_in_place(wire: Wire) -> None:
    answer = await wire.call()
    assert answer.status == 200
    response = ElementTree.fromstring(answer.body)[0][0]
    assert response.tag.endswith("}attachNoteToContactResponse")
    number = response.findtext("attachNoteToContactReturn/ID")
    (effect,) = await wire.sandbox.effects()
    assert (effect["x_id"], effect["x_resident_id"], effect["text"]) == (number, "73005", "Keys")
    assert effect["fields"]["private"] is False


async def test_a_note_on_a_lease_is_answered_with_values_that_stand_apart(wire: Wire) -> None:
    answer = await wire.call("attachNoteToLease", holder=LEASE)
    body = ElementTree.fromstring(answer.body)[0]
    assert body[0][0].get("href") == "#id0"
    apart = {element.get("id"): element for element in body[1:]}
    assert apart["id0"].findtext("subject") == "Note"
    pointer = apart["id0"].find("ID")
    assert pointer is not None
    (effect,) = await wire.sandbox.effects()
    assert apart[(pointer.get("href") or "")[1:]].text == effect["x_id"]
    shown = (await wire.get("/leases/64003/notes")).json
    assert [(note["id"], note["body"]) for note in shown] == [(int(effect["x_id"]), "Keys")]


async def test_a_note_on_a_shared_lease_is_about_whom_its_subject_names(wire: Wire) -> None:
    cases = {
        "Note": None,
        "Note (contact 73005)": "73005",
        "73005 and 73006": None,
        "About 173005": None,
    }
    for subject in cases:
        await wire.call("attachNoteToLease", NOTE.replace(">Note<", f">{subject}<"), LEASE)
    effects = await wire.sandbox.effects()
    assert {e["fields"]["subject"]: e["x_resident_id"] for e in effects} == cases


async def test_a_repeated_call_makes_a_second_note(wire: Wire) -> None:
    for _ in range(2):
        assert (await wire.call()).status == 200
    assert len({effect["x_id"] for effect in await wire.sandbox.effects()}) == 2


async def test_a_date_is_kept_as_an_instant_and_shown_as_its_day_in_utc(wire: Wire) -> None:
    for text in ("2026-03-02T18:31:17-07:00", "2026-03-03T01:31:17Z", "2026-03-03T01:31:17.000"):
        note = f'{NOTE}<date xsi:type="xsd:dateTime">{text}</date>'
        await wire.call("attachNoteToLease", note, LEASE)
    for effect in await wire.sandbox.effects():
        assert effect["occurred_at"].startswith("2026-03-03T01:31:17")
    shown = (await wire.get("/leases/64003/notes")).json
    assert {note["date"] for note in shown} == {"2026-03-03"}
    assert all("createdDateTime" not in note for note in shown)


async def test_the_service_describes_itself_to_anybody(wire: Wire) -> None:
    answer = await wire.sandbox.call("GET", f"{SERVICE}?wsdl")
    assert b'name="attachNoteToLease"' in answer.body
    assert (await wire.sandbox.call("GET", SERVICE)).header("content-type") == "text/html"


# --- SOAP: what it refuses ----------------------------------------------------------------------


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"SOAPAction": None}, "Client.NoSOAPAction no SOAPAction header!"),
    ({"operation": "attachNoteToTenant"}, "Client No such operation"),
    ({"namespace": "urn:other"}, "could not find a target service"),
    ({"body": b"<not xml"}, "SAXParseException"),
    ({"body": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}, "SAXParseException"),
    ({"body": b"<a/>"}, "Client The message is no SOAP envelope"),
    ({"note": NOTE.replace("Keys", "")}, "The body of a note is required"),
    ({"note": NOTE.replace(">Note<", "><")}, "The subject of a note is required"),
    ({"note": NOTE.replace("xsd:string", "xsd:long")}, "SAXException: Bad types"),
    ({"note": NOTE + '<date xsi:type="xsd:dateTime">2026-13-01</date>'}, "Invalid dateTime"),
    ({"note": NOTE + '<private xsi:type="xsd:boolean">no</private>'}, "Bad boolean"),
    ({"holder": ""}, "The argument is no Contact"),
    ({"holder": LEASE}, "The argument is no Contact"),
    ({"holder": '<contact xsi:type="t:Contact"/>'}, "Contact with ID None was not found"),
    (
        {"holder": '<contact xsi:type="t:Contact"><ID xsi:type="xsd:long">1</ID></contact>'},
        "Contact with ID 1 was not found",
    ),
    (
        {"holder": '<contact xsi:type="t:Contact"><ID xsi:type="xsd:long">x</ID></contact>'},
        "NumberFormatException",
    ),
]


async def test_a_refused_call_is_an_axis_fault_in_a_500_and_writes_nothing(wire: Wire) -> None:
    for changes, words in REFUSED:
        assert words in fault(await wire.call(**changes)), changes
    assert await wire.sandbox.effects() == []


async def test_a_body_of_another_kind_is_refused(wire: Wire) -> None:
    assert "Unsupported content type" in fault(await wire.call(Content_Type="text/plain"), 415)


async def test_a_wrong_login_is_a_401_with_a_page(wire: Wire) -> None:
    for changes in (
        {"password": "wrong"},
        {"user": "nobody"},
        {"Authorization": None},
        {"Authorization": "Basic %%"},
        {"Authorization": "Bearer x"},
    ):
        answer = await wire.call(**changes)
        assert answer.status == 401
        assert "Basic" in (answer.header("www-authenticate") or "")
        assert answer.header("content-type") == "text/html"
    assert await wire.sandbox.effects() == []


async def test_a_user_without_rights_may_read_and_not_write(wire: Wire) -> None:
    readonly = wire.examples["readonly_credentials"]
    as_reader = {"user": readonly["username"], "password": readonly["password"]}
    assert "does not have permission" in fault(await wire.call(**as_reader))
    answer = await wire.call("getContactsByType", holder="<type>OWNER</type>", **as_reader)
    assert answer.status == 200
    assert b"Grantley" in answer.body


# --- REST: keys ---------------------------------------------------------------------------------


async def test_missing_keys_are_a_400_though_the_documentation_says_401(wire: Wire) -> None:
    for name in KEYS:
        answer = await wire.get("/units", drop=(name,))
        assert answer.status == 400
        assert answer.json["errorCode"] == "1001"
        assert set(answer.json) == {"userMessage", "errorCode", "errors"}
        assert {"key", "message"} == set(answer.json["errors"][0])


async def test_wrong_keys_and_a_wrong_organisation_are_a_401(wire: Wire) -> None:
    for name in KEYS:
        answer = await wire.get("/units", headers={name: "900002"})
        assert answer.status == 401, name
        assert answer.json["errorCode"] == "1001"
    assert (await wire.get("/units")).status == 200


# --- REST: failures -----------------------------------------------------------------------------


async def test_what_does_not_exist_is_a_404_with_the_same_error_code(wire: Wire) -> None:
    for path in ("/leases/1", "/leases/1/notes", "/contacts/1", "/buildings/1/managers"):
        answer = await wire.get(path)
        assert (answer.status, answer.json["errorCode"]) == (404, "1001"), path


async def test_a_wrong_type_is_refused_without_a_word(wire: Wire) -> None:
    for path in ("/leases/abc", "/units?limit=x", "/units?offset=-1", "/leases?unitID=x",
                 "/leases?lastModifiedDateTimeStart=yesterday"):  # fmt: skip
        answer = await wire.get(path)
        assert (answer.status, answer.body) == (400, b""), path
    answer = await wire.get("/units", headers={"accept": "text/html"})
    assert (answer.status, answer.body) == (406, b"")


async def test_an_unknown_path_is_a_page_for_people(wire: Wire) -> None:
    for path in ("/tenants", "/Leases", "/leases/64003/Notes", "/units?Limit=5"):
        answer = await wire.get(path)
        assert answer.status == 404, path
        assert b"<html>" in answer.body
    assert (await wire.sandbox.call("GET", "/propertyware/")).status == 404


async def test_nothing_can_be_written_or_deleted_by_rest(wire: Wire) -> None:
    assert (await wire.get("/leases/64003", method="DELETE")).status == 404
    answer = await wire.get("/leases/64003/notes", method="POST")
    assert (answer.status, answer.header("allow")) == (405, "GET")


async def test_too_fast_is_a_429_without_any_header(wire: Wire) -> None:
    for operation in ("read", "write"):
        await wire.sandbox.fault(
            vendor="PROPERTYWARE", fault="status", status=429, n=1, match={"operation": operation}
        )
        answer = await (wire.get("/units") if operation == "read" else wire.call())
        assert answer.status == 429
        assert answer.header("retry-after") is None
        assert not [name for name in answer.headers if "ratelimit" in name.lower()]


# --- REST: paging and time ----------------------------------------------------------------------


async def test_a_page_has_a_hundred_by_default_and_never_more_than_five_hundred(wire: Wire) -> None:
    first = await wire.get("/contacts")
    assert len(first.json) == 100
    assert first.header("x-total-count") == "121"
    assert len((await wire.get("/contacts?limit=9999")).json) == 121


async def test_the_last_page_tells_its_own_count_as_the_total(wire: Wire) -> None:
    totals = [
        (await wire.get(f"/units?limit=25&offset={offset}")).header("x-total-count")
        for offset in (0, 25, 50, 75)
    ]
    assert totals == ["60", "60", "10", "0"]


async def test_pages_do_not_overlap_and_follow_the_asked_order(wire: Wire) -> None:
    found: list[int] = []
    for offset in range(0, 60, 7):
        page = await wire.get(f"/units?orderby=id%20desc&limit=7&offset={offset}")
        found += [row["id"] for row in page.json]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 60
    assert (await wire.get("/units?orderby=nothing")).status == 400
    assert (await wire.get("/units?orderby=address")).status == 400


async def test_filters_keep_what_they_name(wire: Wire) -> None:
    tenants = (await wire.get("/contacts?type=TENANT&limit=500")).json
    assert {contact["type"] for contact in tenants} == {"TENANT"}
    leases = (await wire.get("/leases?unitID=62001")).json
    assert [lease["id"] for lease in leases] == [64001]
    inline = [contact["id"] for contact in leases[0]["contacts"]]
    apart = (await wire.get("/leases/64001/contacts")).json
    assert inline == [contact["id"] for contact in apart] == [73001, 73002]


async def test_stamps_are_utc_and_two_hours_behind(wire: Wire) -> None:
    (row,) = (await wire.get("/contacts?limit=1")).json
    stamp = datetime.fromisoformat(row["createdDateTime"])
    assert row["createdDateTime"].endswith("Z")
    written = stamp.astimezone(UTC) + timedelta(hours=2)
    assert (written.hour, written.minute) == (12, 0)
    after = (await wire.get(f"/contacts?lastModifiedDateTimeStart={row['createdDateTime']}")).json
    assert row["id"] in [found["id"] for found in after]


async def test_dates_have_no_time(wire: Wire) -> None:
    lease = (await wire.get("/leases/64003")).json
    assert len(lease["startDate"]) == len("2026-01-01")
    note = (await wire.get("/leases/64006/notes")).json[0]
    assert len(note["date"]) == len("2026-01-01")


# --- the world ----------------------------------------------------------------------------------


async def test_a_note_survives_a_restart_and_its_id_is_never_given_twice(tmp_path: Path) -> None:
    ids = []
    for _ in range(2):
        async with running_sandbox(tmp_path, "PROPERTYWARE") as sandbox:
            vendor = (await sandbox.overview())["vendors"]["PROPERTYWARE"]
            wire = Wire(sandbox, vendor)
            await wire.call()
            await wire.call("attachNoteToLease", holder=LEASE)
            ids = [effect["x_id"] for effect in await sandbox.effects()]
            notes = (await wire.get("/leases/64003/notes")).json
    assert len(ids) == len(set(ids)) == 4
    assert len(notes) == 2


async def test_whom_a_request_is_about_is_known_to_faults(wire: Wire) -> None:
    other = '<contact xsi:type="t:Contact"><ID xsi:type="xsd:long">73009</ID></contact>'
    for about in (("attachNoteToContact", NOTE, CONTACT), ("attachNoteToLease", NOTE, LEASE)):
        await wire.sandbox.fault(
            vendor="PROPERTYWARE", fault="status", status=503, match={"x_resident_id": "73005"}
        )
        assert (await wire.call(holder=other)).status == 200
        assert (await wire.call(*about)).status == 503
