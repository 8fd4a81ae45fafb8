"""The vault: what is sealed opens only where it belongs, and nothing starts with the wrong key."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import make_settings

from frontdesk.application import open_services
from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.settings import Settings
from frontdesk.vault import (
    EncryptionKeyError,
    KeyMismatch,
    UnreadableError,
    Vault,
    VaultService,
    load_keys,
    new_key,
)
from frontdesk.vendors.registry import vendors

KEY = b"0123456789abcdef0123456789abcdef"


def _loaded(settings: Settings, data_dir: Path | None, *, embedded: bool) -> tuple[str, ...]:
    return Vault(load_keys(settings, data_dir, embedded=embedded)).fingerprints


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.text(st.characters(exclude_categories=["Cs"])),
    )
)
def test_what_is_sealed_opens_again(credentials: dict[str, str]) -> None:
    vault = Vault(KEY)
    integration_id = new_id()
    assert vault.decrypt(integration_id, vault.encrypt(integration_id, credentials)) == credentials


@given(st.data())
def test_an_altered_value_does_not_open(data: st.DataObject) -> None:
    vault = Vault(KEY)
    integration_id = new_id()
    sealed = bytearray(vault.encrypt(integration_id, {"secret": "sesame"}))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnreadableError):
        vault.decrypt(integration_id, bytes(sealed))


def test_a_value_copied_to_another_integration_or_key_does_not_open() -> None:
    integration_id = new_id()
    sealed = Vault(KEY).encrypt(integration_id, {"secret": "sesame"})
    with pytest.raises(UnreadableError):
        Vault(KEY).decrypt(new_id(), sealed)
    with pytest.raises(UnreadableError):
        Vault(KEY[::-1]).decrypt(integration_id, sealed)
    with pytest.raises(UnreadableError):
        Vault(KEY).decrypt(integration_id, b"")


def test_equal_credentials_are_sealed_differently_and_never_in_the_open() -> None:
    vault = Vault(KEY)
    integration_id = new_id()
    one, other = (vault.encrypt(integration_id, {"secret": "sesame"}) for _ in range(2))
    assert one != other
    assert b"sesame" not in one
    assert KEY.hex() not in repr(vault)


def test_a_scope_is_shared_by_who_agrees_in_what_the_vendor_counts_by() -> None:
    vault = Vault(KEY)
    for vendor in vendors().values():
        declaration = vendor.declaration
        keys = declaration.budget.scope_keys
        same = {key.name: "same" for key in declaration.credentials}
        one = vault.budget_scope(declaration, same, new_id())
        assert "same" not in one
        if not keys:
            assert vault.budget_scope(declaration, same, new_id()) != one
            continue
        uncounted = {name: "x" for name in same if name not in keys}
        assert vault.budget_scope(declaration, same | uncounted, new_id()) == one
        assert vault.budget_scope(declaration, same | {keys[0]: "other"}, new_id()) != one
        assert Vault(KEY[::-1]).budget_scope(declaration, same, new_id()) != one


def test_the_first_start_makes_one_key_file_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings.model_validate({})
    with ThreadPoolExecutor(8) as pool:
        keys = list(
            pool.map(lambda _: _loaded(settings, tmp_path / "data", embedded=True), range(8))
        )
    assert len(set(keys)) == 1
    [file] = (tmp_path / "data").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert _loaded(settings, tmp_path / "data", embedded=True) == keys[0]


def test_without_a_key_an_external_database_is_refused_and_the_way_out_said(
    tmp_path: Path,
) -> None:
    with pytest.raises(EncryptionKeyError, match="frontdesk keys new"):
        load_keys(Settings.model_validate({}), tmp_path, embedded=False)
    assert list(tmp_path.iterdir()) == []


def test_the_setting_goes_before_the_file(tmp_path: Path) -> None:
    one, other = new_key(), new_key()
    file = tmp_path / "key"
    file.write_text(f"{other}\n")
    by_file = Settings.model_validate({"encryption_key_file": file})
    assert _loaded(by_file, None, embedded=False) == (Vault(base64.b64decode(other)).fingerprint,)
    both = Settings.model_validate({"encryption_key_file": file, "encryption_key": one})
    assert _loaded(both, None, embedded=False) == (Vault(base64.b64decode(one)).fingerprint,)


@pytest.mark.parametrize("text", ["", "sesame", base64.b64encode(b"short").decode(), "\u00e9" * 44])
def test_what_is_no_key_is_refused_without_being_repeated(text: str, tmp_path: Path) -> None:
    with pytest.raises(EncryptionKeyError) as caught:
        load_keys(Settings.model_validate({"encryption_key": text}), None, embedded=True)
    assert not text or text not in str(caught.value)
    with pytest.raises(EncryptionKeyError, match="cannot be read"):
        load_keys(
            Settings.model_validate({"encryption_key_file": tmp_path / "none"}), None, embedded=True
        )


async def test_a_process_with_another_key_does_not_start(
    database_url: str, database: Database
) -> None:
    first = await open_services(make_settings(), database_url, role="command")
    await first.close()
    assert [state.known for state in await VaultService(database, first.vault).state()] == [True]
    with pytest.raises(KeyMismatch) as caught:
        await open_services(make_settings(encryption_key=new_key()), database_url, role="command")
    assert "FRONTDESK_ENCRYPTION_KEY" in str(caught.value)
    mine, theirs = await VaultService(database, Vault(KEY)).state()
    assert (mine.here, mine.known, theirs.here, theirs.known) == (True, False, False, True)
