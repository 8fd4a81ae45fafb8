"""What is said of residents, sealed string by string: what is sealed, what stays, and who can open it."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import make_settings

from frontdesk.application import open_services
from frontdesk.database.pool import Database
from frontdesk.events.fields import EVENT_FIELDS, Kind
from frontdesk.ids import new_id
from frontdesk.vault import TEXT_FIELDS, EncryptionKeyError, Keyring, Texts, UnreadableError, Vault
from frontdesk.vault.sealing import MARK, is_sealed_text

KEY = b"0123456789abcdef0123456789abcdef"
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["notes", "message", "title", "id", "data"]), inner)
    ),
    max_leaves=12,
)


def sealing() -> Texts:
    return Texts(Vault(KEY), sealing=True)


def stored(document: Any) -> str:
    """As `jsonb` gives it back."""
    return orjson.dumps(document).decode()


async def test_a_process_seals_no_text_where_the_schema_could_not_tell_of_it(
    database_url: str, database: Database
) -> None:
    settings = make_settings(encrypt_personal_data=True)
    rows = await database.fetch(
        "SELECT c.relname, a.attname, d.description FROM pg_description AS d "
        "JOIN pg_class AS c ON c.oid = d.objoid "
        "JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.objsubid "
        "WHERE d.description LIKE 'sealed texts of %'"
    )
    try:
        for row in rows:
            await database.execute(f"COMMENT ON COLUMN {row['relname']}.{row['attname']} IS NULL")
        with pytest.raises(EncryptionKeyError, match="frontdesk migrate"):
            await open_services(settings, database_url, role="worker")
    finally:
        for row in rows:
            await database.execute(
                f"COMMENT ON COLUMN {row['relname']}.{row['attname']} IS '{row['description']}'"
            )
    services = await open_services(settings, database_url, role="worker")
    await services.close()


@given(DOCUMENTS)
def test_a_document_comes_back_as_it_was_and_is_not_changed_itself(document: Any) -> None:
    before = stored(document)
    account = new_id()
    sealed = sealing().seal(account, document)
    assert stored(document) == before
    assert sealing().loads(account, stored(sealed)) == document
    assert Texts(Vault(KEY)).loads_whole(account, stored(sealed)) == document, "switched off"


def test_texts_are_sealed_and_what_the_database_looks_into_is_not() -> None:
    document = {
        "notes": "the dog",
        "resident_id": "r",
        "results": [{"data": {"notes": "the cat", "call_duration": 5}}],
        "errors": [{"code": "refused", "message": "no dog"}],
        "notes_of": "kept",
        "title": None,
    }
    sealed = sealing().seal(new_id(), document)
    raw = stored(sealed)
    assert not any(word in raw for word in ("dog", "cat"))
    assert sealed["resident_id"] == "r"
    assert sealed["results"][0]["data"]["call_duration"] == 5
    assert sealed["errors"][0]["code"] == "refused"
    assert (sealed["notes_of"], sealed["title"]) == ("kept", None)
    assert sealed["notes"] != sealing().seal(new_id(), document)["notes"]


def test_every_field_in_which_a_caller_writes_freely_is_sealed() -> None:
    free = {
        item.name
        for item in EVENT_FIELDS
        if item.kind in (Kind.TEXT, Kind.EMAIL, Kind.URI) and not item.choices
    }
    assert "notes" in free
    assert free - TEXT_FIELDS == set()


def test_what_belongs_to_another_account_or_key_does_not_open() -> None:
    account = new_id()
    sealed = sealing().seal(account, {"notes": "the dog"})
    raw = stored(sealed)
    for texts, owner in (
        (sealing(), new_id()),
        (Texts(Vault(KEY[::-1]), sealing=True), account),
    ):
        with pytest.raises(UnreadableError):
            texts.loads_whole(owner, raw)
        assert texts.loads(owner, raw) == sealed, "shown as it lies there"


@pytest.mark.parametrize("words", [MARK, f"{MARK}???", f"{MARK}AgAA", f"{MARK}{'A' * 60}"])
def test_words_that_only_look_sealed_are_words(words: str) -> None:
    account = new_id()
    assert not is_sealed_text(words)
    assert sealing().loads_whole(account, stored({"notes": words})) == {"notes": words}
    sealed = sealing().seal(account, {"notes": words})
    assert sealing().loads_whole(account, stored(sealed)) == {"notes": words}


def test_a_text_keeps_the_form_in_which_it_lies_there_while_it_says_the_same() -> None:
    account, texts = new_id(), sealing()
    kept = texts.seal(account, {"notes": "the dog", "title": "t"})
    fresh = {"notes": "the dog", "title": "another", "event_name": "new", "id": 4}
    formed = texts.in_kept_form(account, fresh, kept)
    assert formed["notes"] == kept["notes"]
    assert all(is_sealed_text(formed[name]) for name in ("notes", "title", "event_name"))
    assert texts.opened(account, formed) == fresh
    clear = Texts(Vault(KEY)).in_kept_form(account, fresh, kept)
    assert clear == {**fresh, "notes": kept["notes"]}


def test_with_another_key_first_what_the_old_one_sealed_counts_as_the_same() -> None:
    account, old = new_id(), sealing()
    kept = old.seal(account, {"notes": "the dog"})
    both = Texts(Vault(Keyring([KEY[::-1], KEY])), sealing=True)
    assert both.in_kept_form(account, {"notes": "the dog"}, kept) == kept
    assert both.is_as_wished(kept)
