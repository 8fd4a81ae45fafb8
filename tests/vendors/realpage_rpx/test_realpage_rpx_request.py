"""The wire of RPX: envelope, caller, action, licences for single operations, templates."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.vendors.onesite.worlds import (
    RPX,
    RPX_URL,
    called,
    intent,
    local,
    parsed,
    session_of,
    texts,
)

from frontdesk.vendors import templates
from frontdesk.vendors.contract import Access, Request
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.realpage_rpx.connector import RealPageRpxConnector
from frontdesk.vendors.realpage_rpx.declaration import DECLARATION

CONNECTOR = RealPageRpxConnector()
TEM = "{http://tempuri.org/}"


@pytest.fixture
def operators_folder(tmp_path: Path) -> Iterator[Path]:
    """An operator's folder of templates, used from its first reading until the test ends."""
    (tmp_path / "realpage_rpx").mkdir()
    yield tmp_path / "realpage_rpx"
    templates.use_folder(None)


def request(access: Access = RPX, notes: str = "Quiet hours") -> Request:
    return CONNECTOR.request(CONNECTOR.plan(intent(notes=notes)), access, "1")


def with_methods(**methods: object) -> Access:
    return Access(RPX_URL, {**RPX.credentials, "method_specific": methods})


def test_a_call_is_soap_1_1_with_the_operations_action() -> None:
    sent = request()
    assert (sent.method, sent.url) == ("POST", RPX_URL)
    assert sent.headers["content-type"] == "text/xml; charset=utf-8"
    assert sent.headers["soapaction"] == '"http://tempuri.org/IRPXService/addresidentactivitylog"'
    assert parsed(sent).tag == "{http://schemas.xmlsoap.org/soap/envelope/}Envelope"
    assert called(sent).tag == f"{TEM}addresidentactivitylog"


def test_who_calls_is_the_first_child_of_the_operation() -> None:
    auth, arguments = called(request())
    assert auth.tag == f"{TEM}auth"
    assert texts(auth) == {
        "pmcid": "1234567",
        "siteid": "77",
        "licensekey": "demo-key-rpx",
        "system": "OneSite",
    }
    assert arguments.tag == f"{TEM}addresidentactivitylogparams"
    assert texts(arguments) == {
        "leaseid": "501",
        "residentmemberid": "88",
        "activitytypeid": "S000000015",
        "comments": "Quiet hours",
    }


def test_a_company_that_is_not_given_is_left_out() -> None:
    access = Access(RPX_URL, {"baseUrl": RPX_URL, "licensekey": "demo-key-rpx"})
    assert "pmcid" not in texts(called(request(access)))


def test_a_plan_goes_to_the_site_it_was_made_for_whatever_the_credentials_say_now() -> None:
    moved = Access(RPX_URL, {**RPX.credentials, "siteId": "78"})
    assert texts(called(request(moved)))["siteid"] == "77"


def test_the_same_plan_is_the_same_request_every_time() -> None:
    plan = CONNECTOR.plan(intent())
    assert CONNECTOR.request(plan, RPX, "1") == CONNECTOR.request(plan, RPX, "2")


# --- licences for single operations -------------------------------------------------------------


@pytest.mark.parametrize("name", ["addresidentactivitylog", "AddResidentActivityLog"])
async def test_an_operation_with_a_licence_of_its_own_uses_it(name: str) -> None:
    own = {"baseUrl": "https://stagegateway.rpx.realpage.com/x.svc/", "licensekey": "own-key"}
    access = with_methods(**{name: own})
    sent = request(access)
    assert sent.url == "https://stagegateway.rpx.realpage.com/x.svc"
    assert texts(called(sent))["licensekey"] == "own-key"
    session = session_of(access, getactivitytypes="<Contents/>")
    await CONNECTOR.read(session, Model.EVENT_TYPES, None, None)
    (other,) = session.calls
    assert other.url == RPX_URL
    assert texts(called(other))["licensekey"] == "demo-key-rpx"


def test_an_integration_that_calls_a_simulator_never_calls_an_operations_real_address() -> None:
    own = {"baseUrl": "https://gateway.rpx.realpage.com/own.svc", "licensekey": "own-key"}
    access = with_methods(addresidentactivitylog=own)
    sent = request(Access("http://127.0.0.1:1/realpage_rpx", access.credentials))
    assert sent.url == "http://127.0.0.1:1/realpage_rpx"
    assert texts(called(sent))["licensekey"] == "own-key"


@pytest.mark.parametrize("odd", [None, "text", {"addresidentactivitylog": "text"}, {"x": {}}])
def test_odd_licences_change_nothing(odd: object) -> None:
    access = Access(RPX_URL, {**RPX.credentials, "method_specific": odd})
    assert request(access) == request()


def test_the_key_of_a_single_operation_is_a_secret_and_its_address_is_none() -> None:
    own = {"baseUrl": "https://gateway.rpx.realpage.com/own.svc", "licensekey": "own-key"}
    access = with_methods(addresidentactivitylog=own)
    assert set(DECLARATION.secrets_of(access.credentials)) == {"own-key", "demo-key-rpx"}


# --- templates ----------------------------------------------------------------------------------


def test_an_operators_template_replaces_what_is_written(operators_folder: Path) -> None:
    own = operators_folder / "addresidentactivitylog.xml.j2"
    own.write_text(
        '<?xml version="1.0"?>\n<t:log xmlns:t="http://tempuri.org/"><t:for>{{ leaseid }}</t:for>'
        "<t:text>{{ comments }}</t:text></t:log>\n"
    )
    before = request(notes="a < b")
    templates.use_folder(operators_folder.parent)
    template = next(t for t in DECLARATION.templates if t.file == own.name)
    templates.check("REALPAGE_RPX", template)
    sent = request(notes="a < b")
    assert sent != before
    auth, arguments = called(sent)
    assert local(auth) == "auth"
    assert arguments.tag == f"{TEM}log"
    assert texts(arguments) == {"for": "501", "text": "a < b"}


async def test_an_operators_names_replace_those_of_the_log(operators_folder: Path) -> None:
    (operators_folder / "residentactivitylog.json").write_text(json.dumps({"text": "remark"}))
    templates.use_folder(operators_folder.parent)
    log = "<log><activity><activityid>7</activityid><remark>Quiet hours</remark></activity></log>"
    plan = CONNECTOR.plan(intent())
    session = session_of(RPX, getresidentactivitylog=log)
    (event,) = await CONNECTOR.read_events(session, intent().resident, plan.trace.where)
    assert event.text == "Quiet hours"


def test_every_packaged_template_is_declared_and_fills_with_its_variables() -> None:
    import frontdesk.vendors.realpage_rpx as package

    (root,) = package.__path__
    files = {path.name for path in (Path(root) / "templates").iterdir()}
    assert files == {template.file for template in DECLARATION.templates}
    for template in DECLARATION.templates:
        if template.file.endswith(".j2"):
            templates.render("REALPAGE_RPX", template.file, dict.fromkeys(template.variables, "1"))
        else:
            assert templates.names("REALPAGE_RPX", template.file)
