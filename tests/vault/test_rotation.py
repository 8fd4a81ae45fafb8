"""One key takes another's place: what is sealed stays readable throughout, and in the end nothing is
left that the old key has sealed."""

import asyncio
import stat
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from tests.conftest import make_settings, until
from tests.integrations.world import a_vendor, credentials_of

from frontdesk.application import Services, open_services
from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.settings import Settings
from frontdesk.vault import (
    EncryptionKeyError,
    KeyInUseError,
    KeyMismatch,
    Keyring,
    Texts,
    UnreadableError,
    Vault,
    load_keys,
    new_key,
)
from frontdesk.vault.keys import add_key, promote_key, remove_key
from frontdesk.vault.repository import SealedColumn, VaultRepository
from frontdesk.vault.sealing import UNNAMED, head_of, mark_of_head

SEALED_KINDS = ("credentials", "token", "text", "secret", "json", "texts")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{new_key()}\n")
    path.chmod(0o600)
    return path


def settings_of(file: Path) -> Settings:
    return make_settings(encryption_key=None, encryption_key_file=file)


def _text(file: Path) -> str:
    return file.read_text()


def _put(file: Path, text: str) -> None:
    file.write_text(text)


@pytest.fixture
async def fresh(database: Database) -> None:
    """The module's database as if no key had ever been there."""
    for table in ("encryption_keys", "dropped_keys", "vault_secrets", "pms_sessions"):
        await database.execute(f"DELETE FROM {table}")
    await database.execute("DELETE FROM integrations")
    await database.execute("DELETE FROM attempts")


async def integration_with(services: Services, credentials: dict[str, str]) -> UUID:
    """A row with these credentials, sealed by this process."""
    account = await services.accounts.create_account()
    integration_id = new_id()
    await services.database.execute(
        "INSERT INTO integrations (id, account_id, vendor, name, base_url, credentials, "
        "budget_scope, max_job_concurrency) VALUES ($1, $2, $3, '', '', $4, $5, 1)",
        integration_id,
        account.id,
        a_vendor().declaration.vendor,
        services.vault.encrypt(integration_id, credentials),
        str(integration_id),
    )
    return integration_id


async def credentials_in(services: Services, integration_id: UUID) -> dict[str, object]:
    """What this process reads there."""
    sealed = await services.database.fetch_value(
        "SELECT credentials FROM integrations WHERE id = $1", integration_id
    )
    return services.vault.decrypt(integration_id, sealed)


def test_a_process_opens_what_a_key_sealed_that_came_after_its_start(file: Path) -> None:
    early, owner = Vault(Keyring.of_file(file)), new_id()
    add_key(file)
    late = Vault(Keyring.of_file(file))
    promote_key(file, late.fingerprints[-1])
    sealed = Vault(Keyring.of_file(file)).encrypt(owner, {"secret": "sesame"})
    assert early.decrypt(owner, sealed) == {"secret": "sesame"}


def test_a_process_seals_with_the_first_key_as_it_stands_now(file: Path) -> None:
    early, owner = Vault(Keyring.of_file(file)), new_id()
    old = early.fingerprint
    assert early.encrypt(owner, {}).startswith(UNNAMED)
    added = add_key(file)
    assert early.encrypt(owner, {}).startswith(head_of(old)), "added, it seals nothing"
    promote_key(file, added.fingerprint)
    assert early.encrypt(owner, {}).startswith(head_of(added.fingerprint))


def test_a_key_file_that_cannot_be_read_for_a_moment_stops_nobody(file: Path) -> None:
    vault, owner = Vault(Keyring.of_file(file)), new_id()
    kept = file.read_text()
    file.write_text("not a key")
    assert vault.decrypt(owner, vault.encrypt(owner, {"a": "b"})) == {"a": "b"}
    file.write_text(f"{kept}{new_key()}\n")
    vault.encrypt(owner, {})
    assert len(vault.fingerprints) == 2


def test_a_changed_key_file_stays_its_owners_alone_and_leaves_no_draft(file: Path) -> None:
    added = add_key(file)
    promote_key(file, added.fingerprint)
    first, second = Keyring.of_file(file).keys
    assert first.fingerprint == added.fingerprint
    remove_key(file, second.fingerprint)
    assert [key.fingerprint for key in Keyring.of_file(file).keys] == [added.fingerprint]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_several_keys_in_the_setting_are_separated_by_commas(tmp_path: Path) -> None:
    one, other = new_key(), new_key()
    settings = Settings.model_validate({"encryption_key": f"{one}, {other}"})
    assert len(load_keys(settings, None, embedded=False).keys) == 2
    with pytest.raises(EncryptionKeyError) as caught:
        load_keys(
            Settings.model_validate({"encryption_key": f"{one},{other[:-4]}"}), None, embedded=False
        )
    assert other[:-4] not in str(caught.value)


@pytest.mark.usefixtures("fresh")
async def test_everything_sealed_is_found_and_sealed_anew_also_in_tables_that_nobody_named(
    database_url: str, database: Database, file: Path
) -> None:
    services = await open_services(settings_of(file), database_url, role="command")
    old = services.vault.fingerprint
    try:
        await database.execute(
            "CREATE TABLE newcomers (id uuid PRIMARY KEY, owner uuid, hidden bytea);"
        )
        await database.execute("COMMENT ON COLUMN newcomers.hidden IS 'sealed text of owner'")
        owner = new_id()
        for _ in range(450):  # more than two portions
            await database.execute(
                "INSERT INTO newcomers VALUES ($1, $2, $3)",
                new_id(),
                owner,
                services.vault.seal_text(owner, "sesame"),
            )
        integration_id = await integration_with(services, {"secret": "sesame"})
        session = services.vault.session_name("X", "https://x", {"secret": "sesame"})
        await services.integrations.sessions.begin_login(session, 0, 60)
        await services.integrations.sessions.store(session, "a token")
        job = new_id()
        sealed = services.vault.seal_json(job, {"body": "personal"})
        await database.execute(
            "INSERT INTO attempts (job_id, account_id, integration_id, job_type, kind, number, "
            "request, answer) VALUES ($1, $1, $1, 't', 'send', 1, $2, '{\"body\": \"clear\"}')",
            job,
            f'{{"sealed": "{sealed["sealed"]}"}}',
        )

        added = add_key(file)
        steps: list[tuple[int, int, str]] = []
        rotation = await services.keys.rotate(lambda *step: steps.append(step))

        assert rotation.fingerprint == added.fingerprint
        assert rotation.unreadable == {}
        assert rotation.resealed == {
            "attempts.request": 1,
            "integrations.credentials": 1,
            "newcomers.hidden": 450,
            "pms_sessions.token": 1,
            "vault_secrets.sealed": 1,
        }
        assert all(done <= total for done, total, _ in steps)
        assert await services.keys.left() == {}
        assert (await services.keys.rotate()).resealed == {}, "a second time there is nothing to do"

        await services.keys.drop(old)
        assert services.vault.fingerprints == (added.fingerprint,)
        alone = await open_services(settings_of(file), database_url, role="command")
        try:
            assert await credentials_in(alone, integration_id) == {"secret": "sesame"}
            token = await alone.integrations.sessions.current(session)
            assert token is not None
            assert token.value == "a token"
            hidden = await database.fetch_value("SELECT hidden FROM newcomers LIMIT 1")
            assert alone.vault.open_text(owner, hidden) == "sesame"
            row = await database.fetch_row("SELECT request, answer FROM attempts")
            assert row is not None
            assert alone.vault.open_json(job, orjson.loads(row["request"])) == {"body": "personal"}
            assert orjson.loads(row["answer"]) == {"body": "clear"}
            assert alone.vault.session_name("X", "https://x", {"secret": "sesame"}) == session
        finally:
            await alone.close()
    finally:
        await services.close()
        await database.execute("DROP TABLE IF EXISTS newcomers")


@pytest.mark.usefixtures("fresh")
async def test_names_of_budgets_outlive_the_key_that_was_there_first(
    database_url: str, file: Path
) -> None:
    declaration = a_vendor().declaration
    credentials, owner = credentials_of(a_vendor()), new_id()
    names = []
    for change in (lambda: None, lambda: add_key(file), lambda: None):
        change()
        services = await open_services(settings_of(file), database_url, role="command")
        try:
            names.append(services.vault.budget_scope(declaration, credentials, owner))
            if len(services.vault.fingerprints) == 2:
                old = services.vault.fingerprint
                await services.keys.rotate()
                await services.keys.drop(old)
        finally:
            await services.close()
    assert len(set(names)) == 1


@pytest.mark.usefixtures("fresh")
async def test_a_key_in_use_is_not_dropped_and_a_dropped_one_seals_no_more(
    database_url: str, file: Path
) -> None:
    before = _text(file)
    services = await open_services(settings_of(file), database_url, role="command")
    old = services.vault.fingerprint
    try:
        await integration_with(services, {})
        with pytest.raises(KeyInUseError, match="one key only"):
            await services.keys.rotate()
        with pytest.raises(KeyInUseError, match="This key seals"):
            await services.keys.drop(old)
        unused = add_key(file)
        services.vault.ring.look()
        await services.keys.drop(unused.fingerprint)  # added by mistake: it has sealed nothing
        added = add_key(file)
        promote_key(file, added.fingerprint)
        services.vault.ring.look()
        await services.keys.check()
        with pytest.raises(KeyInUseError, match="rotate"):
            await services.keys.drop(old)
        with pytest.raises(KeyInUseError, match="no such key"):
            await services.keys.drop("0" * 32)
        await services.keys.rotate()
        await services.keys.drop(old)
        after = _text(file)
    finally:
        await services.close()
    _put(file, before)
    with pytest.raises(KeyMismatch, match="missing here"):
        await open_services(settings_of(file), database_url, role="command")
    _put(file, f"{before}{after}")
    with pytest.raises(KeyMismatch, match="was dropped"):
        await open_services(settings_of(file), database_url, role="command")


@pytest.mark.usefixtures("fresh")
async def test_by_restarts_alone_no_process_meets_a_key_that_it_lacks(database_url: str) -> None:
    old, new = new_key(), new_key()
    integration_id: UUID | None = None
    serving: list[Services] = []
    try:
        # One after the other, and the one before still serves when the next has come.
        for keys in (old, f"{old},{new}", f"{new},{old}"):
            serving.append(
                await open_services(
                    make_settings(encryption_key=keys), database_url, role="command"
                )
            )
            integration_id = await integration_with(serving[-1], {"secret": keys[:4]})
            for process in serving[-2:]:
                assert await credentials_in(process, integration_id) == {"secret": keys[:4]}
        assert integration_id is not None
        await serving[-1].keys.rotate()
        for process in serving[-2:]:
            assert await credentials_in(process, integration_id) == {"secret": new[:4]}
        with pytest.raises(KeyMismatch):
            await open_services(make_settings(encryption_key=new), database_url, role="command")
        await serving[-1].keys.drop(serving[0].vault.fingerprint)
        serving.append(
            await open_services(make_settings(encryption_key=new), database_url, role="command")
        )
        assert await credentials_in(serving[-1], integration_id) == {"secret": new[:4]}
    finally:
        for process in serving:
            await process.close()


@pytest.mark.usefixtures("fresh")
async def test_what_no_key_opens_is_told_and_a_token_of_a_login_is_thrown_away(
    database_url: str, database: Database, file: Path
) -> None:
    services = await open_services(settings_of(file), database_url, role="command")
    try:
        integration_id = await integration_with(services, {})
        stranger = Vault(b"0123456789abcdef0123456789abcdef")
        await database.execute(
            "UPDATE integrations SET credentials = $2 WHERE id = $1",
            integration_id,
            stranger.encrypt(integration_id, {}),
        )
        await services.integrations.sessions.begin_login("s", 0, 60)
        await database.execute(
            "UPDATE pms_sessions SET token = $1", stranger.seal_token("s", "lost")
        )
        add_key(file)
        rotation = await services.keys.rotate()
        assert rotation.unreadable == {"integrations.credentials": 1}
        assert await database.fetch_value("SELECT token IS NULL FROM pms_sessions")
    finally:
        await services.close()


async def test_a_value_that_changed_meanwhile_is_not_put_back(database: Database) -> None:
    await database.execute("INSERT INTO vault_secrets VALUES ('x', '\\x0102')")
    column = SealedColumn("vault_secrets", "sealed", "secret", "name", (("name", "text"),))
    repository = VaultRepository(database)
    assert await repository.replace(column, [(("x",), b"\x01\x03", b"\x02")]) == 0
    assert await repository.replace(column, [(("x",), b"\x01\x02", b"\x02")]) == 1
    await database.execute("DELETE FROM vault_secrets WHERE name = 'x'")


@pytest.mark.usefixtures("fresh")
async def test_texts_in_documents_are_sealed_anew_where_they_stand_and_clear_ones_stay(
    database_url: str, database: Database, file: Path
) -> None:
    services = await open_services(settings_of(file), database_url, role="command")
    old = services.vault.fingerprint
    texts = Texts(services.vault, sealing=True)
    account = (await services.accounts.create_account()).id
    document = {"job_id": "j", "data": {"notes": "the dog", "number": 1.5}, "more": ["x"]}
    try:
        for number in range(450):  # more than two portions, of a key of two columns
            await database.execute(
                "INSERT INTO idempotency_keys (account_id, key, fingerprint, job_id, answer) "
                "VALUES ($1, $2, '', $1, $3::jsonb)",
                account,
                f"k{number:03}",
                orjson.dumps(document if number == 7 else texts.seal(account, document)).decode(),
            )
        add_key(file)
        services.vault.ring.look()
        with pytest.raises(KeyInUseError, match="This key seals"):
            await services.keys.drop(old)
        async with database.transaction() as transaction:
            # Whoever serves holds some rows meanwhile: they are passed over, and come later.
            await transaction.execute(
                "UPDATE idempotency_keys SET created_at = created_at WHERE key < 'k010'"
            )
            rotating = asyncio.create_task(services.keys.rotate())
            await until(lambda: _renewed(services, old, 440))
        rotation = await rotating
        assert rotation.unreadable == {}
        assert rotation.resealed["idempotency_keys.answer"] == 449
        assert (await services.keys.rotate()).resealed == {}
        await services.keys.drop(old)
        assert len(services.vault.fingerprints) == 1
        rows = await database.fetch("SELECT key, answer FROM idempotency_keys")
        assert all(texts.loads_whole(account, row["answer"]) == document for row in rows)
        assert ["the dog" in row["answer"] for row in rows if row["key"] == "k007"] == [True]

        # A key that is not there: told, and left alone.
        stranger = Texts(Vault(b"0123456789abcdef0123456789abcdef"), sealing=True)
        await database.execute(
            "UPDATE idempotency_keys SET answer = $1::jsonb WHERE key = 'k007'",
            orjson.dumps(stranger.seal(account, document)).decode(),
        )
        add_key(file)
        assert (await services.keys.rotate()).unreadable == {"idempotency_keys.answer": 1}
    finally:
        await services.close()
        await database.execute("DELETE FROM idempotency_keys")


async def _renewed(services: Services, old: str, least: int) -> bool:
    """Whether so many answers do not bear the old key's mark any more."""
    counted: int = await services.database.fetch_value(
        "SELECT count(*) FROM idempotency_keys WHERE strpos(answer::text, $1) = 0",
        mark_of_head(head_of(old)),
    )
    return counted >= least


async def test_every_column_of_bytes_says_whether_it_is_sealed(database: Database) -> None:
    """A new one that says nothing would not be rotated, and nobody would notice."""
    rows = await database.fetch(
        "SELECT c.relname || '.' || a.attname AS name, "
        "coalesce(col_description(c.oid, a.attnum), '') AS said "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' "
        "AND a.atttypid = 'bytea'::regtype AND a.attnum > 0 AND NOT a.attisdropped"
    )
    silent = [
        row["name"] for row in rows if row["said"] != "hash" and "sealed " not in row["said"][:7]
    ]
    assert rows
    assert silent == [], "say in a migration's COMMENT `sealed … of …` or `hash`"


@pytest.mark.parametrize("how", SEALED_KINDS)
def test_a_value_of_one_kind_does_not_open_as_another(how: str) -> None:
    vault, owner = Vault(b"0123456789abcdef0123456789abcdef"), new_id()
    sealed = vault.seal(b"x", how, owner)  # type: ignore[arg-type]
    for other in set(SEALED_KINDS) - {how}:
        if {how, other} == {"credentials", "token"}:
            continue  # one belongs to an id, the other to a name: they have no owner in common
        with pytest.raises(UnreadableError):
            vault.open(sealed, other, owner)  # type: ignore[arg-type]


def test_no_key_shows_in_what_is_printed_of_keys(file: Path) -> None:
    raw = file.read_text().strip()
    ring = Keyring.of_file(file)
    assert raw not in f"{ring.keys!r} {Vault(ring)!r}"
