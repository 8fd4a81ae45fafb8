"""What every declaration must be: a complete and possible account of a PMS."""

import itertools
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest

from frontdesk.events.fields import ENVELOPE_FIELDS, FIELDS, UPDATE_FIELDS, Kind
from frontdesk.events.rules import OperationName, Terms, check
from frontdesk.events.schemas import read_changed_event, read_new_event
from frontdesk.ids import new_id
from frontdesk.outgoing.urls import matches
from frontdesk.vendors.declaration import Declaration, Model, Operation
from frontdesk.vendors.registry import vendors
from tests.conformance.conftest import VENDORS
from tests.conformance.pms import value_of

OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)


@pytest.fixture(params=list(vendors()))
def declaration(request: pytest.FixtureRequest) -> Declaration:
    """Every vendor's declaration in turn, also of those that have no connector."""
    return vendors()[request.param].declaration


def operations(declaration: Declaration) -> list[tuple[OperationName, Operation]]:
    """What the PMS can do."""
    return [
        (name, found)
        for name in OPERATIONS
        if isinstance(found := getattr(declaration, name), Operation)
    ]


def test_some_vendor_has_a_connector() -> None:
    assert VENDORS


def test_a_connector_declares_itself_under_its_own_name(declaration: Declaration) -> None:
    connector = vendors()[declaration.vendor].connector
    assert connector is None or connector.declaration == declaration
    assert declaration.vendor == declaration.vendor.upper()
    assert declaration.vendor.isidentifier()
    assert declaration.name.strip()


def test_what_it_cannot_do_has_a_reason(declaration: Declaration) -> None:
    assert len(operations(declaration)) == len(OPERATIONS) or declaration.unsupported_reason.strip()
    if vendors()[declaration.vendor].connector is not None:
        assert declaration.create is not None


def test_every_operation_takes_fields_of_the_contract(declaration: Declaration) -> None:
    for name, operation in operations(declaration):
        assert operation.fields
        known = set(FIELDS) if name == "create" else set(UPDATE_FIELDS)
        assert set(operation.fields) <= known - ENVELOPE_FIELDS
        for field, taken in operation.fields.items():
            assert taken.max_length is None or taken.max_length > 0, field
            assert taken.max_length is None or FIELDS[field].kind is Kind.TEXT, field
        for rule in operation.rules:
            assert rule.message.strip()
            assert rule.require or rule.refuse
            assert set(rule.require) | set(rule.refuse) <= set(operation.fields)
            assert not set(rule.require) & set(rule.refuse)
            assert rule.with_fields <= set(operation.fields)
            assert rule.x_type_ids <= set(declaration.classes)
    if declaration.create is not None:
        assert declaration.create.fields["resident_id"].required


def test_every_field_that_is_not_declared_is_refused(declaration: Declaration) -> None:
    for name, operation in operations(declaration):
        terms = Terms(declaration, name)
        foreign = set(FIELDS if name == "create" else UPDATE_FIELDS)
        foreign -= set(operation.fields) | ENVELOPE_FIELDS | {"event_type"}
        for field in sorted(foreign):
            value = str(new_id()) if FIELDS[field].kind is Kind.ID else value_of(field)
            body: dict[str, Any] = {field: value}
            if name == "create":
                read = read_new_event({"integration_id": str(new_id()), **body})
            else:
                read = read_changed_event(body)
            problems = check(terms, read, None).problems
            assert ("not_taken", (field,)) in [(p.code, p.path) for p in problems], (name, field)
            assert ("not_taken", (field,)) not in [
                (p.code, p.path) for p in check(Terms(declaration, name, True), read, None).problems
            ]
        for field in sorted(set(FIELDS) - set(UPDATE_FIELDS) if name == "update" else ()):
            problems = list(read_changed_event({field: "x"}).problems)
            assert [p.code for p in problems] == ["unknown_field"], field


def test_its_addresses_are_its_own(declaration: Declaration) -> None:
    parts = urlsplit(declaration.base_url)
    if vendors()[declaration.vendor].connector is None and not declaration.base_url:
        return
    assert parts.scheme == "https"
    assert not declaration.base_url.endswith("/")
    assert not parts.username
    assert not parts.query
    assert parts.hostname is not None
    assert any(matches(parts.hostname, pattern) for pattern in declaration.hosts)
    for pattern in declaration.hosts:
        assert pattern == pattern.lower().strip()
        labels = pattern.removeprefix("*.").split(".")
        assert len(labels) >= 2, "a whole top-level domain is nobody's own"
        assert all(label and "*" not in label for label in labels)


@pytest.mark.second_half
def test_nothing_is_left_of_the_template(declaration: Declaration) -> None:
    # RFC 2606, 3: nobody can own these names, so no PMS answers there.
    assert not any(host.endswith((".example", ".invalid", ".test")) for host in declaration.hosts)
    assert "new-vendor" not in str(declaration.guesses)


def test_its_credentials_have_names_and_a_secret(declaration: Declaration) -> None:
    names = [key.name for key in declaration.credentials]
    assert len(set(names)) == len(names)
    assert all(name.strip() == name != "" for name in names)
    if vendors()[declaration.vendor].connector is not None:
        required = {key.name for key in declaration.credentials if key.required}
        secret = {key.name for key in declaration.credentials if key.secret}
        for choice in declaration.credential_choices or (frozenset(),):
            assert choice <= set(names)
            assert secret & (required | choice), "nothing proves who calls"
    given = {key.name: f"value of {key.name}" for key in declaration.credentials}
    hidden = {f"value of {key.name}" for key in declaration.credentials if key.secret}
    assert set(declaration.secrets_of(given)) == hidden
    undeclared = declaration.secrets_of({"undeclared": {"inner": "a value"}})
    assert "a value" in undeclared


def test_its_budget_can_be_kept(declaration: Declaration) -> None:
    budget = declaration.budget
    assert set(budget.scope_keys) <= {key.name for key in declaration.credentials}
    if budget.windows or budget.concurrency is not None:
        assert budget.scope_keys, "whoever counts calls counts somebody's"
    assert budget.concurrency is None or budget.concurrency > 0
    by_length = sorted(budget.windows, key=lambda window: window.seconds)
    for window in by_length:
        assert window.requests > 0
        assert window.seconds > 0
    for shorter, longer in itertools.pairwise(by_length):
        assert shorter.seconds < longer.seconds
        assert shorter.requests <= longer.requests, "the shorter window could never be filled"
    assert declaration.write_keys
    assert budget.per_method == any(declaration.write_keys)
    assert declaration.max_job_concurrency > 0
    assert 0 < declaration.timeout_s <= 300


def test_an_uncertain_write_can_be_looked_for_in_time(declaration: Declaration) -> None:
    looked = declaration.read_back
    assert min(looked.late_effect_s, looked.visible_after_s, looked.skew_s) >= 0
    if looked.possible:
        assert Model.EVENTS in declaration.reads
        assert looked.late_effect_s > 0, "no PMS drops a request with its connection"


def test_its_guesses_say_what_they_are_about(declaration: Declaration) -> None:
    for guess in declaration.guesses:
        assert guess.subject.strip()
        assert guess.assumption.strip()
    said = [(guess.subject, guess.assumption) for guess in declaration.guesses]
    assert len(set(said)) == len(said)
    assert declaration.guesses or not declaration.read_back.guess
