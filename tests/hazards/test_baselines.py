"""Where a PMS stamps no records, what a resident had before the first attempt is read first: once, and
not again by each worker that takes the integration over."""

from pathlib import Path

from frontdesk.vendors.declaration import RecordId
from frontdesk.vendors.registry import connector_of
from tests.hazards.conftest import VENDORS, World, running_world

# And which names a new record's id in its answer: no read comes after a send.
UNSTAMPED = next(
    code
    for code in VENDORS
    if (declared := connector_of(code).declaration).read_back.possible
    and not declared.read_back.stamped
    and declared.record_id is RecordId.ANSWER
)


async def reads_of(world: World, x_resident_id: str) -> int:
    """How often this resident was read at the PMS."""
    page = (await world.sandbox.call("GET", "/_sandbox/arrivals?limit=10000")).json
    return sum(
        arrival["operation"] == "read" and arrival["x_resident_ids"] == [x_resident_id]
        for arrival in page["arrivals"]
    )


async def test_what_a_resident_has_is_read_before_the_first_send_and_not_again_by_the_next_worker(
    database_url: str, tmp_path: Path
) -> None:
    async with running_world(UNSTAMPED, database_url, tmp_path) as world:
        world.start_worker()
        await world.synced()
        database = world.services.database
        (resident, *_) = await world.residents()
        x_id = await database.fetch_value("SELECT x_id FROM residents WHERE id = $1", resident)
        await world.end_of(await world.write(resident, "by the first worker"))
        reads = await reads_of(world, x_id)
        assert reads > 0

        await world.stop_workers()
        world.start_worker()
        again = await world.end_of(await world.write(resident, "by the second worker"))
        assert again["state"] == "succeeded"
        assert await reads_of(world, x_id) == reads

        await world.stop_workers()
        await database.execute(
            "UPDATE residents SET baseline_read_at = baseline_read_at - interval '1 hour' WHERE id = $1",
            resident,
        )
        world.start_worker()
        await world.end_of(await world.write(resident, "long afterwards"))
        assert await reads_of(world, x_id) > reads, "an old reading was taken for a new one"
