"""Migrations since the previous release only add: what that release uses is still there, and alike.

What a release no longer needs goes with the release after it ("contract"), whose migration says so in
a line `-- contract: <what, and since which release nobody uses it>` directly before the statement.
"""

import re
from importlib.resources import files

import pytest

from frontdesk.database.releases import previous_release

FOLDER = files("frontdesk.database") / "migrations"
SINCE = sorted(
    file.name
    for file in FOLDER.iterdir()
    if file.name.endswith(".sql") and int(file.name[:4]) > previous_release().schema_version
)
BEFORE = "\n".join(
    file.read_text(encoding="utf-8")
    for file in sorted(FOLDER.iterdir(), key=lambda file: file.name)
    if file.name.endswith(".sql") and int(file.name[:4]) <= previous_release().schema_version
)
TAKES_AWAY = re.compile(
    # `COLUMN` may be left out; what may be NULL from now on takes nothing from who never wrote it.
    r"\bDROP\s+(?!NOT\s+NULL\b|CONSTRAINT\b|TRIGGER\b)\w+|\bRENAME\b|\bTRUNCATE\b"
    r"|\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b|\bSET\s+NOT\s+NULL\b"
    r"|\bADD\s+COLUMN\s+\w+\s+[^,;]*NOT\s+NULL(?![^,;]*\bDEFAULT\b)",
    re.IGNORECASE,
)
# What the previous release writes may not be refused: only tables that it does not know have rules.
NARROWS = re.compile(
    r"\bALTER\s+TABLE\s+(?:ONLY\s+)?(\w+)\b[^;]*\bADD\s+(?:CONSTRAINT|CHECK|UNIQUE|FOREIGN|EXCLUDE)\b"
    r"|\bCREATE\s+UNIQUE\s+INDEX\b[^;]*?\bON\s+(\w+)",
    re.IGNORECASE,
)
TABLE = re.compile(r"\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)", re.IGNORECASE)
FUNCTION = re.compile(
    r"CREATE\s+(OR\s+REPLACE\s+)?FUNCTION\s+(\w+)\s*\((.*?)\)\s*(RETURNS\s.+?)?\s*LANGUAGE",
    re.IGNORECASE | re.DOTALL,
)
CONTRACT = re.compile(r"--\s*contract:\s*\S+")


def statements_of(sql: str) -> list[str]:
    """Everything between two semicolons outside of function bodies, with its comments."""
    outside = re.sub(r"\$(\w*)\$.*?\$\1\$", "''", sql, flags=re.DOTALL)
    return [statement for statement in outside.split(";") if statement.strip()]


def taken_away(sql: str) -> list[str]:
    """The statements that take something away and are not marked as a contract step."""
    known = set(TABLE.findall(BEFORE))

    def takes(statement: str) -> bool:
        narrowed = NARROWS.search(statement)
        return bool(TAKES_AWAY.search(statement)) or (
            narrowed is not None and (narrowed[1] or narrowed[2]) in known
        )

    return [
        statement.strip()
        for statement in statements_of(sql)
        if takes(re.sub(r"--[^\n]*", "", statement)) and not CONTRACT.search(statement)
    ]


def signatures(sql: str) -> dict[str, tuple[str, str]]:
    """Arguments and result of each function, without comments and white space."""

    def plain(text: str | None) -> str:
        return " ".join(re.sub(r"--[^\n]*", "", text or "").split()).lower()

    return {
        found[2].lower(): (plain(found[3]), plain(found[4])) for found in FUNCTION.finditer(sql)
    }


@pytest.mark.parametrize("name", SINCE)
def test_migration_takes_nothing_from_the_previous_release(name: str) -> None:
    assert taken_away((FOLDER / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", SINCE)
def test_migration_keeps_the_signature_of_every_function_that_the_previous_release_calls(
    name: str,
) -> None:
    known = signatures(BEFORE)
    changed = {
        function: signature
        for function, signature in signatures((FOLDER / name).read_text(encoding="utf-8")).items()
        if function in known and known[function] != signature
    }
    assert changed == {}


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE writes DROP COLUMN state",
        "ALTER TABLE writes DROP state",
        "ALTER TABLE writes ALTER COLUMN attempts DROP DEFAULT",
        "ALTER TABLE writes ADD CONSTRAINT short CHECK (length(vendor) < 9)",
        "CREATE UNIQUE INDEX one_a_resident ON writes (resident_id)",
        "DROP FUNCTION claim_writes(uuid, jsonb, double precision)",
        "ALTER TABLE writes RENAME COLUMN state TO stage",
        "ALTER TABLE writes ALTER COLUMN attempts TYPE bigint",
        "ALTER TABLE writes ADD COLUMN colour text NOT NULL",
        "ALTER TABLE writes ALTER COLUMN x_id SET NOT NULL",
    ],
)
def test_what_the_previous_release_would_miss_is_seen(sql: str) -> None:
    assert taken_away(f"CREATE TABLE fine (id int);\n{sql};")
    assert not taken_away(f"-- contract: unused since 0.1.0\n{sql};")


def test_additions_and_function_bodies_are_no_loss() -> None:
    sql = """
    ALTER TABLE writes ADD COLUMN colour text NOT NULL DEFAULT 'grey';
    CREATE OR REPLACE FUNCTION f(a int) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN DROP TABLE IF EXISTS scratch; END $$;
    """
    assert not taken_away(sql)
