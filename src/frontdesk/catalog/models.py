"""The catalog's models as data: their fields, filters, orders and references, stated once.

The list endpoints, their OpenAPI schemas, the SQL that reads and the upsert that fills all go by
this page. It knows what a record looks like to a caller and where it lies in its table; it holds no
SQL statement, no vendor's name and no shape of any wire.
"""

from collections.abc import Mapping

from frontdesk.catalog.fields import (
    Field,
    Filter,
    Kind,
    Link,
    ModelSpec,
    Order,
    coerced,
    rfc3339,
)
from frontdesk.vendors.declaration import Model

__all__ = [
    "REFERRING",
    "SPECS",
    "SYNCED",
    "Field",
    "Filter",
    "Kind",
    "Link",
    "ModelSpec",
    "Order",
    "coerced",
    "rfc3339",
]

_ADDRESS = tuple(
    Field(name) for name in ("address_1", "address_2", "city", "state", "zip", "country")
)

# What a caller may say of an event, as it stands on the record afterwards.
_WRITTEN = tuple(
    Field(name, kind, written=True)
    for name, kind in (
        ("event_type", Kind.TEXT),
        ("event_type_id", Kind.TEXT),
        ("event_result_id", Kind.TEXT),
        ("event_sub_type_id", Kind.TEXT),
        ("employee_id", Kind.TEXT),
        ("unit_id", Kind.TEXT),
        ("time_from", Kind.TEXT),
        ("time_to", Kind.TEXT),
        ("title", Kind.TEXT),
        ("call_phone_number_from", Kind.TEXT),
        ("call_phone_number_to", Kind.TEXT),
        ("call_status", Kind.TEXT),
        ("call_duration", Kind.INTEGER),
        ("call_audio_link", Kind.TEXT),
        ("email_body", Kind.TEXT),
        ("email_subject", Kind.TEXT),
        ("email_from", Kind.TEXT),
        ("email_to", Kind.TEXT),
        ("email_cc", Kind.TEXT),
        ("email_bcc", Kind.TEXT),
        ("email_send", Kind.BOOLEAN),
        ("status", Kind.TEXT),
        ("external_reference", Kind.TEXT),
    )
)

SPECS: Mapping[Model, ModelSpec] = {
    spec.model: spec
    for spec in (
        ModelSpec(
            Model.PROPERTIES,
            "properties",
            "properties",
            "Property",
            fields=(
                Field("name"),
                Field("code"),
                Field("is_active", Kind.BOOLEAN),
                *_ADDRESS,
                Field("number_of_units", Kind.INTEGER),
                Field("type_normalized"),
                Field("timezone", description="IANA name of the property's time zone."),
            ),
            orders=(Order("name", "name", data=True),),
        ),
        ModelSpec(
            Model.UNITS,
            "units",
            "units",
            "Unit",
            fields=(
                Field("number"),
                Field("building_name"),
                Field("building_number"),
                Field("floor"),
                Field("bedrooms", Kind.NUMBER),
                Field("bathrooms", Kind.NUMBER),
                Field("square_feet", Kind.NUMBER),
                Field("is_vacant", Kind.BOOLEAN),
                Field("is_available", Kind.BOOLEAN),
                *_ADDRESS,
            ),
            filters=(Filter("unit_number", "unit_number"),),
            orders=(Order("number", "number", data=True),),
            columns=(("unit_number", "number"),),
        ),
        ModelSpec(
            Model.EMPLOYEES,
            "employees",
            "employees",
            "Employee",
            fields=(
                Field("x_location_id"),
                Field("name"),
                Field("email"),
                Field("is_active", Kind.BOOLEAN),
                Field("roles", Kind.TEXTS, description="Such as `LEASING_AGENT`."),
            ),
            filters=(
                Filter("property_id", "property_ids", "id_among"),
                Filter("x_property_id", "x_property_id", "text_or_link", needs_integration=True),
                Filter(
                    "roles", "roles", "text_among", description="One role, such as LEASING_AGENT."
                ),
            ),
            orders=(Order("name", "name", data=True),),
            columns=(("roles", "roles"),),
            link=Link("x_property_ids", "properties", "property_ids"),
        ),
        ModelSpec(
            Model.EVENT_TYPES,
            "event_types",
            "event-types",
            "EventType",
            fields=(
                Field("x_location_id"),
                Field("code"),
                Field("models", Kind.TEXTS, description="What the type applies to: `residents` …"),
                Field("name"),
                Field("class", column="class", description="What kind of happening it stands for."),
            ),
            filters=(
                Filter(
                    "models", "models", "text_among", description="One model, such as residents."
                ),
            ),
            orders=(Order("name", "name", data=True),),
            columns=(("models", "models"),),
        ),
        ModelSpec(
            Model.EVENT_SUB_TYPES,
            "event_sub_types",
            "event-sub-types",
            "EventSubType",
            fields=(
                Field("x_location_id"),
                Field("x_event_type_id"),
                Field("name"),
                Field("event_type_id", column="event_type_id"),
            ),
            filters=(Filter("event_type_id", "event_type_id", "id"),),
            orders=(Order("name", "name", data=True),),
            link=Link("x_event_type_ids", "event_types", "event_type_id", many=False),
        ),
        ModelSpec(
            Model.EVENT_RESULTS,
            "event_results",
            "event-results",
            "EventResult",
            fields=(
                Field("x_location_id"),
                Field("name"),
                Field("associated_event_type_ids", Kind.TEXTS, column="event_type_ids"),
            ),
            filters=(Filter("event_type_id", "event_type_ids", "id_among"),),
            orders=(Order("name", "name", data=True),),
            link=Link("x_event_type_ids", "event_types", "event_type_ids"),
        ),
        ModelSpec(
            Model.RESIDENTS,
            "residents",
            "residents",
            "Resident",
            fields=(
                Field("first_name"),
                Field("middle_name"),
                Field("last_name"),
                Field("email_1"),
                Field("email_2"),
                Field("phone_1"),
                Field("phone_1_type"),
                Field("phone_2"),
                Field("phone_2_type"),
                *_ADDRESS,
                Field("date_of_birth"),
                Field("leases_meta_data", Kind.LEASES),
                Field("custom_data", Kind.OBJECT),
            ),
            filters=(
                Filter("email_1", "email_1", "folded_text"),
                Filter("phone_1", "phone_1"),
                Filter("unit_id", "unit_ids", "id_among"),
            ),
            orders=(
                Order("last_name", "last_name", data=True),
                Order("first_name", "first_name", data=True),
            ),
            columns=(("email_1", "email_1"), ("phone_1", "phone_1")),
            link=Link("x_unit_ids", "units", "unit_ids"),
        ),
        ModelSpec(
            Model.TIMEZONES,
            "timezones",
            "timezones",
            "Timezone",
            fields=(
                Field("x_location_id"),
                Field("is_active", Kind.BOOLEAN),
                Field("observes_daylight_savings", Kind.BOOLEAN),
                Field("offset", Kind.NUMBER, description="Hours from UTC."),
                Field("server_time_error_seconds", Kind.NUMBER),
            ),
        ),
        ModelSpec(
            Model.EVENTS,
            "events",
            "events",
            "Event",
            fields=(
                Field("x_leasing_agent_id"),
                Field("x_type_id"),
                Field("x_location_id"),
                Field("event_name"),
                Field("event_datetime", Kind.DATE_TIME),
                Field("appointment_datetime", Kind.DATE_TIME),
                Field("type_raw"),
                Field("notes"),
                Field("agent_name"),
                Field("reasons_for_event"),
                Field("associated_lead_ids", Kind.TEXTS),
                Field("associated_applicant_ids", Kind.TEXTS),
                Field("associated_resident_ids", Kind.TEXTS),
                Field("resident_id", column="resident_id"),
                *_WRITTEN,
                Field(
                    "origin_job_id", column="origin_job_id", description="The write that made it."
                ),
            ),
            filters=(Filter("resident_id", "resident_id", "id"),),
        ),
    )
}

SYNCED: tuple[Model, ...] = tuple(model for model in Model if model is not Model.EVENTS)
"""The models that a sync reads page by page, in its order; events are read per resident."""

REFERRING: Mapping[str, tuple[ModelSpec, ...]] = {
    target: tuple(
        spec
        for spec in SPECS.values()
        if (target == "properties" and spec.table not in ("properties", "events"))
        or (spec.link is not None and spec.link.table == target)
    )
    for target in ("properties", "units", "event_types")
}
"""Table → the models whose rows refer to it, and are looked at again when it gets new rows."""
