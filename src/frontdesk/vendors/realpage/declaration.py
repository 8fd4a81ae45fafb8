"""What RealPage takes from a registered vendor, as data. Source: public client code and a published
reference for operation names and authentication; nearly all else is listed as a guess."""

from frontdesk.vendors.declaration import (
    Budget,
    CredentialKey,
    Declaration,
    Guess,
    Model,
    RecordId,
    Template,
    TimeRule,
)
from frontdesk.vendors.onesite import declared
from frontdesk.vendors.onesite.records import CLASSES

DECLARATION = Declaration(
    vendor="REALPAGE",
    name="RealPage",
    credentials=(
        CredentialKey("PMC_ID", secret=False, description="The management company."),
        CredentialKey("SITE_ID", secret=False, description="The one site of the integration."),
        CredentialKey("LICENSE_KEY", description="The licence key of the vendor."),
        CredentialKey("ONESITE_USERNAME", secret=False, description="A user of OneSite."),
        CredentialKey("ONESITE_PASSWORD", required=False, description="The user's password."),
        CredentialKey(
            "BASE_URL",
            required=False,
            secret=False,
            is_url=True,
            description="Where the services lie, if not at the usual address.",
        ),
    ),
    base_url="https://onesite.realpage.com/WebServices/CrossFire",
    base_url_key="BASE_URL",
    hosts=("onesite.realpage.com", "*.onesite.realpage.com"),
    reads=declared.READS | {Model.EVENT_RESULTS},
    create=declared.CREATE,
    unsupported_reason=declared.UNSUPPORTED_REASON,
    classes=CLASSES,
    budget=Budget(scope_keys=()),  # no limit is published
    time=TimeRule.NONE,
    record_id=RecordId.READ_BACK,
    read_back=declared.READ_BACK,
    timeout_s=declared.TIMEOUT_S,
    max_job_concurrency=4,
    templates=(
        Template(
            "userauthinfo.xml.j2",
            "Who calls: the header of every envelope.",
            ("pmcid", "siteid", "licensekey", "username", "password"),
        ),
        Template("services.json", "Operation → the service that has it, and its name there.", ()),
        *declared.ARGUMENT_TEMPLATES,
    ),
    guesses=(
        *declared.GUESSES,
        Guess("UserAuthInfo.LicenseKey", "The licence key stands in the header, under this name."),
        Guess("services", "Which service has which operation."),
        Guess("reads", "They are those of RPX, in PascalCase, with the same rows."),
        Guess("GetActivityResultCodes", "Each result is meant for every activity type."),
    ),
)
