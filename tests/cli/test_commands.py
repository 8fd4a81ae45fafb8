"""The commands that come back at once, each as a script meets it: exit code, stdout, stderr."""

import base64
import socket
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from frontdesk.settings import Settings
from tests.cli.shell import Shell
from tests.conftest import ENCRYPTION_KEY, in_a_thread, url_of


@pytest.fixture
def shell(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    tmp_path: Path,
) -> Shell:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"FRONTDESK_{name.upper()}", raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("FRONTDESK_ENCRYPTION_KEY", ENCRYPTION_KEY)
    monkeypatch.setenv("FRONTDESK_DATA_DIR", str(tmp_path / "data"))
    return Shell(capsys)


def test_an_account_gets_the_usual_limit_another_or_none(shell: Shell) -> None:
    usual = shell.json("account", "create", "--name", "Maple Court")
    other = shell.json("account", "create", "--limit", "7")
    none = shell.json("account", "create", "--limit", "0")

    assert (usual["name"], usual["requests_per_minute"]) == ("Maple Court", 150)
    assert other["requests_per_minute"] == 7
    assert none["requests_per_minute"] is None
    listed = {account["id"] for account in shell.json("account", "list")}
    assert {usual["id"], other["id"], none["id"]} <= listed
    assert usual["id"] in shell("account", "list")


def test_a_token_is_shown_once_listed_by_its_prefix_and_revoked_by_it(shell: Shell) -> None:
    account = shell.json("account", "create")
    made = shell.json("token", "create", "--account", account["id"], "--name", "for tests")
    assert made["token"].startswith(f"fd_{made['prefix']}_")

    listed = shell("token", "list", "--account", account["id"])
    assert made["prefix"] in listed
    assert made["token"] not in listed
    assert "digest" not in shell("token", "list", "--json")

    assert shell.json("token", "revoke", made["prefix"])["revoked_at"] is not None
    (after,) = shell.json("token", "list", "--account", account["id"])
    assert after["revoked_at"] is not None


def test_a_token_has_the_scopes_and_the_end_that_were_asked_for(shell: Shell) -> None:
    account = shell.json("account", "create")["id"]

    def made(*more: str, code: int = 0) -> Any:
        if code:
            return shell("token", "create", "--account", account, *more, code=code)
        return shell.json("token", "create", "--account", account, *more)

    assert made("--scope", "events:read,events:write")["scopes"] == ["events:read", "events:write"]
    assert made("--scope", "webhooks", "--scope", "admin:read")["scopes"] == [
        "webhooks",
        "admin:read",
    ]
    assert made()["expires_at"] is None
    soon = datetime.fromisoformat(made("--expires", "12h")["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=11) < soon <= timedelta(hours=12)
    assert made("--expires", "2199-12-31")["expires_at"] == "2199-12-31T00:00:00+00:00"
    assert made("--expires", "2199-12-31T01:00:00+01:00")["expires_at"].startswith("2199-12-31T00")
    for wrong in ("yesterday", "2001-01-01", "0d", "2199-12-31T00:00:00", "2199-13-31"):
        made("--expires", wrong, code=2)
    listed = shell("token", "list", "--account", account)
    assert "last used at" in listed
    assert "2199-12-31" in listed


def test_a_token_for_people_is_the_only_thing_on_stdout(shell: Shell) -> None:
    account = shell.json("account", "create")
    printed = shell("token", "create", "--account", account["id"])
    assert printed.count("\n") == 1
    assert printed.startswith("fd_")
    assert "not shown again" in shell.errors


def test_tokens_refuse_unknown_scopes_accounts_and_prefixes(shell: Shell) -> None:
    account = shell.json("account", "create")["id"]
    shell("token", "create", "--account", account, "--scope", "everything", code=2)
    assert "events:write" in shell.errors
    shell("token", "create", "--account", "00000000-0000-7000-8000-000000000000", code=2)
    shell("token", "create", "--account", "nonsense", code=2)
    made = shell.json("token", "create", "--account", account)["token"]
    altered = f"{made[:3]}{'z' * 12}{made[15:]}"
    shell("token", "revoke", altered, code=1)
    assert altered not in shell.errors


def test_a_token_needs_to_know_its_account_where_there_are_several(shell: Shell) -> None:
    shell("account", "create")
    shell("account", "create")
    shell("token", "create", code=2)
    assert "--account" in shell.errors


def test_migrate_says_what_it_did_and_can_be_repeated(
    shell: Shell, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url_of(postgres_url, _new_database(postgres_url)))

    shell("doctor", code=1)
    first = shell.json("migrate")
    second = shell.json("migrate")

    assert int(first["applied"][-1][:4]) == first["version"]
    assert first["version"] >= 5
    assert second == {"applied": [], "version": first["version"]}
    shell("doctor")


def test_doctor_is_well_on_a_current_database(shell: Shell) -> None:
    shell("account", "list")  # Any start leaves the key's fingerprint.
    found = shell.json("doctor")
    assert found["ok"]
    assert {"database", "migrations", "clock", "keys"} <= {f["subject"] for f in found["findings"]}


def test_doctor_complains_of_commits_that_a_crash_may_take_back(
    shell: Shell, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = _new_database(postgres_url)
    monkeypatch.setenv("DATABASE_URL", url_of(postgres_url, name))
    shell("migrate")
    assert {f["subject"]: f["ok"] for f in shell.json("doctor")["findings"]}["durability"]

    async def weaken() -> None:
        connection = await asyncpg.connect(postgres_url)
        await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        await connection.close()

    in_a_thread(weaken())
    findings = {f["subject"]: f for f in shell.json("doctor", code=1)["findings"]}
    assert not findings["durability"]["ok"]
    assert findings["durability"]["advice"]


def test_doctor_and_every_start_refuse_another_key(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell("account", "list")
    other = base64.b64encode(b"another key of thirty-two bytes!").decode()
    monkeypatch.setenv("FRONTDESK_ENCRYPTION_KEY", other)

    findings = {f["subject"]: f for f in shell.json("doctor", code=1)["findings"]}
    assert not findings["keys"]["ok"]
    assert findings["keys"]["advice"]
    assert findings["migrations"]["ok"]
    shell("account", "list", code=2)
    assert other not in shell.errors


def test_without_a_key_a_given_database_is_refused_with_how_to_make_one(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FRONTDESK_ENCRYPTION_KEY")
    shell("account", "list", code=2)
    assert "frontdesk keys new" in shell.errors
    assert not shell.json("doctor", code=1)["ok"]


def test_a_new_key_is_one_that_can_be_used(shell: Shell) -> None:
    first, second = shell("keys", "new").strip(), shell("keys", "new").strip()
    assert first != second
    assert len(base64.b64decode(first, validate=True)) == 32


def test_a_database_that_is_away_is_a_sentence_without_the_password(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Bound, and nobody listens: refused for certain.
        port = taken.getsockname()[1]
        monkeypatch.setenv("DATABASE_URL", f"postgresql://me:s3cretpw@127.0.0.1:{port}/x")
        shell("account", "list", code=2)
        assert "Traceback" not in shell.errors
        assert "s3cretpw" not in shell.errors
        findings = shell.json("doctor", code=1)["findings"]
    assert "s3cretpw" not in str(findings)


def test_an_empty_database_url_is_no_reason_to_start_an_empty_database(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", " ")
    shell("account", "list", code=2)
    assert "DATABASE_URL" in shell.errors
    assert not (tmp_path / "data").exists()


def test_settings_lists_every_setting_and_shows_no_secret(shell: Shell) -> None:
    rows = shell.json("settings")
    assert len(rows) == len(Settings.model_fields)
    assert all(row["meaning"] for row in rows)
    shown = {row["setting"]: row["now"] for row in rows}
    assert shown["FRONTDESK_ENCRYPTION_KEY"] == "(set)"
    assert shown["DATABASE_URL"] == "(set)"
    assert ENCRYPTION_KEY not in str(rows)


def test_a_setting_that_cannot_be_read_is_named_and_its_value_is_not(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTDESK_DATABASE_CONNECTIONS", "plenty-of-them")
    shell("settings", code=2)
    assert "FRONTDESK_DATABASE_CONNECTIONS" in shell.errors
    assert "plenty-of-them" not in shell.errors


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("api", "--port", "99999"), ("serve", "--nonsense"), ("token", "revoke")],
    ids=" ".join,
)
def test_a_wrong_usage_exits_with_2(shell: Shell, arguments: tuple[str, ...]) -> None:
    shell(*arguments, code=2)


def test_a_taken_port_is_a_sentence(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        shell("api", "--port", port, code=2)
        assert f"Cannot listen on 127.0.0.1:{port}" in shell.errors
        shell("sandbox", "--port", port, code=2)


def test_serve_takes_one_sandbox_only(shell: Shell) -> None:
    shell("serve", "--sandbox", "--sandbox-url", "http://127.0.0.1:1", code=2)


def _new_database(postgres_url: str) -> str:
    name = f"fresh_{uuid.uuid4().hex}"

    async def create() -> None:
        connection = await asyncpg.connect(postgres_url)
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    in_a_thread(create())
    return name


def test_a_purge_counts_before_it_deletes_and_takes_days_by_kind(shell: Shell) -> None:
    counted = shell.json("purge", "--dry-run", "--older-than", "3", "--older-than", "writes=400")
    assert counted["writes"] == {"days": 400, "would_delete": 0}
    assert counted["attempts"]["days"] == 8
    assert counted["read_jobs"]["days"] == 3
    done = shell.json("purge")
    assert done["writes"] == {"days": 90, "deleted": 0}
    assert "kept for days" in shell("purge", "--dry-run")


@pytest.mark.parametrize("wrong", ["writes", "writes=-1", "writes=7", "everything=100", ""])
def test_a_purge_refuses_what_it_cannot_keep_to(shell: Shell, wrong: str) -> None:
    shell("purge", "--older-than", wrong, code=2)


def test_an_erasure_names_its_resident_or_says_that_there_is_none(shell: Shell) -> None:
    shell("erase", "nobody", code=2)
    shell("erase", "0198c0de-0000-7000-8000-000000000001", code=1)
    assert "no resident" in shell.errors


def test_operators_see_what_was_done_to_whichever_account_and_to_the_database(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = shell.json("account", "create", "--name", "Maple Court")
    shell.json("purge", "--older-than", "writes=400")
    shell.json("restored")
    newer = shell("keys", "new").strip()
    monkeypatch.setenv("FRONTDESK_ENCRYPTION_KEY", f"{newer},{ENCRYPTION_KEY}")
    fingerprint = shell.json("keys", "rotate")["fingerprint"]
    monkeypatch.setenv("FRONTDESK_ENCRYPTION_KEY", f"{ENCRYPTION_KEY},{newer}")
    old = shell.json("keys", "rotate")["fingerprint"]
    shell.json("keys", "drop", fingerprint)

    found = shell.json("audit")
    assert {one["actor"] for one in found} == {"command line"}
    ours = [one for one in found if one["account_id"] in (None, account["id"])][::-1]
    # Other tests of this database did things before.
    ours = ours[[one["account_id"] for one in ours].index(account["id"]) :]
    assert [(one["action"], one["subject_id"]) for one in ours] == [
        ("account.create", account["id"]),
        ("database.purge", "database"),
        ("database.restored", "database"),
        ("key.rotate", fingerprint),
        ("key.rotate", old),
        ("key.drop", fingerprint),
    ]
    assert ours[1]["after"]["kept_days"]["writes"] == 400
    assert ours[2]["after"] == {"looked_for": 0}
    assert newer not in str(found)
    assert shell.json("audit", "--action", "key.drop", "--limit", "1") == found[:1]
    assert [one["action"] for one in shell.json("audit", "--account", account["id"])] == [
        "account.create"
    ]
    assert "key.drop" in shell("audit")
    assert shell("audit", "--account", "nobody", code=2) == ""
