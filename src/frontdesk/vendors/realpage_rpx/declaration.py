"""What RealPage takes through RPX, as data. Source: public client code and a published reference,
unless it is listed as a guess."""

from frontdesk.vendors.declaration import (
    Budget,
    CredentialKey,
    Declaration,
    Guess,
    RecordId,
    Template,
    TimeRule,
)
from frontdesk.vendors.onesite import declared
from frontdesk.vendors.onesite.records import CLASSES

DECLARATION = Declaration(
    vendor="REALPAGE_RPX",
    name="RealPage (RPX)",
    credentials=(
        CredentialKey(
            "baseUrl",
            secret=False,
            is_url=True,
            description="The partner's service: https://gateway.rpx.realpage.com/…/{Partner}.svc",
        ),
        CredentialKey("licensekey", description="The licence key of the partner."),
        CredentialKey("pmcId", required=False, secret=False, description="The management company."),
        CredentialKey(
            "siteId",
            required=False,
            secret=False,
            description="The one site of the integration; needed where the licence has several.",
        ),
        CredentialKey(
            "method_specific",
            required=False,
            description="Operation → its own address and licence key.",
            inner=(
                CredentialKey("baseUrl", secret=False, is_url=True),
                CredentialKey("licensekey"),
            ),
        ),
    ),
    base_url="https://gateway.rpx.realpage.com/RPXGateway/partner",
    base_url_key="baseUrl",
    hosts=("gateway.rpx.realpage.com", "stagegateway.rpx.realpage.com"),
    reads=declared.READS,
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
            "auth.xml.j2",
            "Who calls: the first child of every operation.",
            ("pmcid", "siteid", "licensekey"),
        ),
        *declared.ARGUMENT_TEMPLATES,
    ),
    guesses=(
        *declared.GUESSES,
        Guess("getsitelist", "It needs no site, and tells the sites of the licence."),
    ),
)
