"""Questions that `frontdesk doctor` asks a database: they read, and work on any schema version."""

from frontdesk.database.pool import Database


async def server_version(database: Database) -> int:
    """PostgreSQL's own number: 150018 for 15.18, 180006 for 18.6."""
    return int(await database.fetch_value("SELECT current_setting('server_version_num')"))


async def server_clock(database: Database) -> float:
    """The server's clock, in seconds since 1970."""
    return float(await database.fetch_value("SELECT extract(epoch FROM clock_timestamp())"))


async def durability(database: Database) -> tuple[str, str]:
    """What a commit of ours waits for: `synchronous_commit`, and the names of the standbys."""
    row = await database.fetch_row(
        "SELECT current_setting('synchronous_commit') AS level, "
        "current_setting('synchronous_standby_names') AS standbys"
    )
    return ("", "") if row is None else (str(row["level"]), str(row["standbys"]))
