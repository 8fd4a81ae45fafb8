"""Which values of an integration's credentials must never be shown."""

from frontdesk.vendors.declaration import CredentialKey, Declaration

DECLARATION = Declaration(
    vendor="ANY",
    name="Any",
    credentials=(
        CredentialKey("address", secret=False, is_url=True),
        CredentialKey("key"),
        CredentialKey(
            "per_method",
            required=False,
            inner=(CredentialKey("address", secret=False, is_url=True), CredentialKey("key")),
        ),
    ),
    base_url="",
    hosts=(),
    reads=frozenset(),
)


def test_an_address_inside_an_object_may_be_shown_and_a_key_there_may_not() -> None:
    given = {
        "address": "https://one.example",
        "key": "k1",
        "per_method": {"write": {"address": "https://two.example", "key": "k2"}},
    }
    assert set(DECLARATION.secrets_of(given)) == {"k1", "k2"}


def test_whatever_is_not_declared_is_secret_at_any_depth() -> None:
    given = {
        "stray": {"deep": {"deeper": "s1"}},
        "per_method": {"write": {"key": "k2", "stray": "s2"}, "odd": "s3"},
    }
    assert set(DECLARATION.secrets_of(given)) == {"s1", "k2", "s2", "s3"}
    assert set(DECLARATION.secrets_of({"per_method": "s4"})) == {"s4"}
