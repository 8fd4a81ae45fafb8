"""The wire of ODE: envelope, header, services, templates."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.vendors.onesite.worlds import ODE, called, intent, parsed, session_of, success, texts

from frontdesk.vendors import templates
from frontdesk.vendors.contract import Access, OutcomeKind, Request
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.realpage.connector import RealPageConnector
from frontdesk.vendors.realpage.declaration import DECLARATION

CONNECTOR = RealPageConnector()
ONE = "{http://realpage.com/webservices}"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"


@pytest.fixture
def operators_folder(tmp_path: Path) -> Iterator[Path]:
    """An operator's folder of templates, used from its first reading until the test ends."""
    (tmp_path / "realpage").mkdir()
    yield tmp_path / "realpage"
    templates.use_folder(None)


def request(access: Access = ODE) -> Request:
    return CONNECTOR.request(CONNECTOR.plan(intent()), access, "1")


def caller(sent: Request) -> dict[str, str]:
    auth = parsed(sent).find(f"{SOAP}Header/{ONE}UserAuthInfo")
    assert auth is not None
    return texts(auth)


def test_a_call_is_soap_1_1_to_the_service_of_the_operation() -> None:
    sent = request()
    assert sent.method == "POST"
    assert sent.url == f"{ODE.base_url}/ResidentServices/Resident.asmx"
    assert sent.headers["soapaction"] == '"http://realpage.com/webservices/AddResidentActivityLog"'
    assert called(sent).tag == f"{ONE}AddResidentActivityLog"


def test_who_calls_stands_in_the_header() -> None:
    assert caller(request()) == {
        "UserName": "acme",
        "Password": "demo-password",
        "SiteID": "77",
        "PmcID": "1234567",
        "InternalUser": "0",
        "LicenseKey": "demo-key-ode",
    }


@pytest.mark.parametrize("password", [None, ""])
def test_a_password_that_is_not_given_is_left_out(password: str | None) -> None:
    access = Access(ODE.base_url, {**ODE.credentials, "ONESITE_PASSWORD": password})
    assert "Password" not in caller(request(access))


def test_a_plan_goes_to_the_site_it_was_made_for_whatever_the_credentials_say_now() -> None:
    moved = Access(ODE.base_url, {**ODE.credentials, "SITE_ID": "78"})
    assert caller(request(moved))["SiteID"] == "77"


def test_the_arguments_are_in_pascal_case() -> None:
    (arguments,) = called(request())
    assert arguments.tag == f"{ONE}AddResidentActivityLogParams"
    assert texts(arguments) == {
        "LeaseID": "501",
        "ResidentMemberID": "88",
        "ActivityTypeID": "S000000015",
        "Comments": "Quiet hours",
    }


async def test_pick_lists_come_from_the_prospects_service() -> None:
    session = session_of(ODE, getleasingagentsbyproperty="<Contents/>")
    await CONNECTOR.read(session, Model.EMPLOYEES, None, None)
    (sent,) = session.calls
    assert sent.url == f"{ODE.base_url}/ProspectManagement/Service.asmx"


def test_an_operator_can_move_an_operation_and_rename_it(operators_folder: Path) -> None:
    place = {"AddResidentActivityLog": "Log/Entries/InsertEntry"}
    (operators_folder / "services.json").write_text(json.dumps(place))
    templates.use_folder(operators_folder.parent)
    sent = request()
    assert sent.url == f"{ODE.base_url}/Log/Entries.asmx"
    assert called(sent).tag == f"{ONE}InsertEntry"
    plan = CONNECTOR.plan(intent())
    assert CONNECTOR.judge(plan, success("InsertEntry")).kind is OutcomeKind.DELIVERED
    assert CONNECTOR.judge(plan, success("AddResidentActivityLog")).kind is OutcomeKind.UNKNOWN


def test_an_operators_header_replaces_ours(operators_folder: Path) -> None:
    template = next(t for t in DECLARATION.templates if t.file == "userauthinfo.xml.j2")
    (operators_folder / template.file).write_text(
        '<UserAuthInfo xmlns="http://realpage.com/webservices"><Key>{{ licensekey }}</Key>'
        "</UserAuthInfo>"
    )
    templates.use_folder(operators_folder.parent)
    templates.check("REALPAGE", template)
    assert caller(request()) == {"Key": "demo-key-ode"}


def test_every_packaged_template_is_declared_and_fills_with_its_variables() -> None:
    import frontdesk.vendors.realpage as package

    (root,) = package.__path__
    files = {path.name for path in (Path(root) / "templates").iterdir()}
    assert files == {template.file for template in DECLARATION.templates}
    for template in DECLARATION.templates:
        if template.file.endswith(".j2"):
            templates.render("REALPAGE", template.file, dict.fromkeys(template.variables, "1"))
        else:
            assert templates.names("REALPAGE", template.file)
