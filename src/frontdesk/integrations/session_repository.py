"""All SQL about the tokens that logins at a PMS gave."""

from frontdesk.database.pool import Database, Record

_CURRENT = """
SELECT token, number,
    extract(epoch FROM clock_timestamp() - obtained_at)::double precision AS age,
    extract(epoch FROM clock_timestamp() - used_at)::double precision AS idle
FROM pms_sessions WHERE name = $1 AND token IS NOT NULL
"""

# Only one process gets a row; it must not have been overtaken by another's login meanwhile. A token
# that was refused is nobody's: whoever refused it may be dead before he logged in anew.
_BEGIN_LOGIN = """
INSERT INTO pms_sessions AS s (name, login_until)
VALUES ($1, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (name) DO UPDATE SET login_until = EXCLUDED.login_until
    WHERE (s.token IS NULL OR s.number <= $2)
        AND (s.login_until IS NULL OR s.login_until <= clock_timestamp())
RETURNING true
"""

_STORE = """
UPDATE pms_sessions SET token = $2, number = number + 1, obtained_at = clock_timestamp(),
    used_at = clock_timestamp(), login_until = NULL
WHERE name = $1 RETURNING number
"""

_GIVE_UP_LOGIN = "UPDATE pms_sessions SET login_until = NULL WHERE name = $1"

# A newer token than the refused one stays.
_DISCARD = "UPDATE pms_sessions SET token = NULL WHERE name = $1 AND number = $2"

_TOUCH = "UPDATE pms_sessions SET used_at = clock_timestamp() WHERE name = $1 AND number = $2"


class SessionRepository:
    """The statements about PMS sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current(self, name: str) -> Record | None:
        return await self._database.fetch_row(_CURRENT, name)

    async def begin_login(self, name: str, newest_known: int, seconds: float) -> bool:
        return bool(await self._database.fetch_value(_BEGIN_LOGIN, name, newest_known, seconds))

    async def store(self, name: str, sealed: bytes) -> int:
        return int(await self._database.fetch_value(_STORE, name, sealed))

    async def give_up_login(self, name: str) -> None:
        await self._database.execute(_GIVE_UP_LOGIN, name)

    async def discard(self, name: str, number: int) -> None:
        await self._database.execute(_DISCARD, name, number)

    async def touch(self, name: str, number: int) -> None:
        await self._database.execute(_TOUCH, name, number)
