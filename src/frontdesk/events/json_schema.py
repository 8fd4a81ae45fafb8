"""A PMS's declaration as JSON Schema (2020-12), for the documents and the capabilities answer.

One function builds it, from the same declaration that the rules engine enforces. A rule about event
types is an `if`/`then` over `event_type_id`; an integration's own ids of these types stand in it
where they are known. Elsewhere (a vendor's document knows no integration) such an `if` holds for no
value, and its title says which types are meant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frontdesk.events.fields import (
    CALLBACK_URL_SCHEMA,
    DATE_PATTERN,
    EVENT_FIELDS,
    EXTERNAL_REFERENCE_SCHEMA,
    FIELDS,
    KIND_SCHEMA,
    SCHEDULE_SCHEMAS,
    UPDATE_FIELDS,
    Kind,
)
from frontdesk.vendors.declaration import Declaration, EventClass, Operation, Rule, TimeRule

JsonSchema = dict[str, Any]

_REPLACEABLE = ("create", "event_type_id")
"""Required where the PMS needs it, but a `kind` will do."""


@dataclass(frozen=True, slots=True)
class KnownType:
    """An event type of an integration: Frontdesk's id, the PMS's, name, class, and the kinds that
    stand for it."""

    id: str
    x_id: str
    name: str | None
    event_class: EventClass
    kinds: tuple[str, ...] = ()


def generic_schema(operation: str) -> JsonSchema:
    """The schema of a body for any PMS: every field, and only Frontdesk's own required."""
    create = operation == "create"
    names = [item.name for item in EVENT_FIELDS] if create else list(UPDATE_FIELDS)
    fields = {name: _nullable(FIELDS[name].json_schema()) for name in names}
    schema = _object(fields | _own_fields(operation))
    schema["title"] = "ResidentEvent" if create else "ResidentEventChange"
    if create:
        schema["properties"]["integration_id"] = FIELDS["integration_id"].json_schema()
        schema["required"] = ["integration_id"]
    # A date alone is taken where the PMS's clock has no offset; which one, its own schema says.
    if "event_datetime" in schema["properties"]:
        schema["properties"]["event_datetime"] = _nullable(_moment_schema(date_alone=True))
    return schema


def event_schema(
    declaration: Declaration,
    operation: str,
    types: Sequence[KnownType] | None = None,
    *,
    by_type: bool = True,
) -> JsonSchema:
    """The schema of a body for one PMS. `types`: the event types of the integration it is for.
    Without `by_type` the rules about event types stand in its description only: a document that
    knows no integration could state no condition that ever holds, and tools choke on many."""
    declared: Operation = getattr(declaration, operation)
    fields: dict[str, JsonSchema] = {}
    required: list[str] = []
    if operation == "create":
        fields["integration_id"] = FIELDS["integration_id"].json_schema()
        required.append("integration_id")
    for item in EVENT_FIELDS:
        taken = declared.fields.get(item.name)
        if taken is None:
            continue
        schema = item.json_schema()
        if item.name == "event_datetime":
            schema = _moment_schema(date_alone=declaration.time is TimeRule.PROPERTY_LOCAL)
        if taken.description:
            schema["description"] = f"{schema['description']} {taken.description}"
        if taken.max_length is not None:
            schema["maxLength"] = taken.max_length
        if taken.required and (operation, item.name) != _REPLACEABLE:
            required.append(item.name)
            if item.kind is Kind.TEXT:
                # The pattern by itself: beside a greatest length of tens of thousands, tools that make
                # one expression of both compute for many seconds.
                schema |= {"minLength": 1, "allOf": [{"pattern": r"\S"}]}
        else:
            schema = _nullable(schema)
        fields[item.name] = schema
    schema = _object(fields | _own_fields(operation))
    if required:
        schema["required"] = required
    schema["title"] = f"{declaration.name}: {operation} event for a resident"
    told = [rule for rule in declared.rules if not by_type and (rule.classes or rule.x_type_ids)]
    if told:
        schema["description"] = " ".join(rule.message for rule in told)
    conditions = [_condition(rule, declared, types) for rule in declared.rules if rule not in told]
    if {"time_from", "time_to"} & set(fields) and "appointment_datetime" in fields:
        conditions += [
            {"if": _with([name]), "then": _with(["appointment_datetime"])}
            for name in ("time_from", "time_to")
            if name in fields
        ]
    named = declared.fields.get("event_type_id")
    if operation == "create" and named is not None and named.required:
        conditions.append({"anyOf": [_with(["event_type_id"]), _with(["kind"])]})
    unique = [part for n, part in enumerate(conditions) if part not in conditions[:n]]
    if unique:
        schema["allOf"] = unique
    return schema


def _condition(rule: Rule, operation: Operation, types: Sequence[KnownType] | None) -> JsonSchema:
    condition = _with(sorted(rule.with_fields))
    if rule.classes or rule.x_type_ids:
        condition = _merge(condition, _type_condition(rule, types))
    then: JsonSchema = {}
    if rule.require:
        then = _with([name for name in rule.require if name in operation.fields])
    if rule.refuse:
        nothing: JsonSchema = {"type": "null"}
        refused: JsonSchema = {"properties": dict.fromkeys(rule.refuse, nothing)}
        then = _merge(then, refused)
    shown: JsonSchema = {"if": condition, "then": then}
    return {"description": rule.message, **shown} if rule.classes or rule.x_type_ids else shown


def _type_condition(rule: Rule, types: Sequence[KnownType] | None) -> JsonSchema:
    words = [f"class {word}" for word in sorted(rule.classes)]
    words += [f"the PMS's id {x_id}" for x_id in sorted(rule.x_type_ids)]
    meant: JsonSchema = {"title": f"An event type with {' or '.join(words)}"}
    ids = [
        item.id
        for item in types or ()
        if item.event_class in rule.classes or item.x_id in rule.x_type_ids
    ]
    # An empty enum is no schema: `not: {}` is the one that holds for nothing.
    if ids:
        meant["enum"] = ids
    else:
        meant["not"] = {}
    named: JsonSchema = {"required": ["event_type_id"], "properties": {"event_type_id": meant}}
    kinds = [kind for item in types or () if item.id in ids for kind in item.kinds]
    if not kinds:
        return named
    said: JsonSchema = {"required": ["kind"], "properties": {"kind": {"enum": kinds}}}
    return {"anyOf": [named, said]}


def _with(names: Sequence[str]) -> JsonSchema:
    """These fields are given: present and not null."""
    if not names:
        return {}
    given: JsonSchema = {"not": {"type": "null"}}
    return {"required": list(names), "properties": dict.fromkeys(names, given)}


def _merge(one: JsonSchema, other: JsonSchema) -> JsonSchema:
    merged: JsonSchema = {}
    if required := [*one.get("required", ()), *other.get("required", ())]:
        merged["required"] = required
    if properties := {**one.get("properties", {}), **other.get("properties", {})}:
        merged["properties"] = properties
    # Only a condition on types has alternatives, so there is never more than one list of them.
    if alternatives := [*one.get("anyOf", ()), *other.get("anyOf", ())]:
        merged["anyOf"] = alternatives
    return merged


def _own_fields(operation: str) -> dict[str, JsonSchema]:
    """Frontdesk's own fields of a create."""
    if operation != "create":
        return {}
    own = {"kind": KIND_SCHEMA, **SCHEDULE_SCHEMAS}
    return {name: _nullable(dict(schema)) for name, schema in own.items()}


def _object(fields: Mapping[str, JsonSchema]) -> JsonSchema:
    return {
        "type": "object",
        "properties": {
            **fields,
            "external_reference": _nullable(dict(EXTERNAL_REFERENCE_SCHEMA)),
            "callback_url": _nullable(dict(CALLBACK_URL_SCHEMA)),
        },
        "additionalProperties": False,
    }


def _nullable(schema: JsonSchema) -> JsonSchema:
    """A null counts as absent, so it is valid wherever a field is not required."""
    schema = {**schema, "type": [schema["type"], "null"]} if "type" in schema else dict(schema)
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    if "anyOf" in schema:
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema


def _moment_schema(*, date_alone: bool) -> JsonSchema:
    schema = FIELDS["event_datetime"].json_schema()
    if not date_alone:
        return schema
    words = {name: schema.pop(name) for name in ("description", "examples")}
    alone = {"type": "string", "format": "date", "pattern": DATE_PATTERN}
    return {"anyOf": [schema, alone], **words}
