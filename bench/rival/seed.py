"""Fill the rival's database: tables, one token, integrations and residents.

``python -m bench.rival.seed`` reads ``{"token", "integrations": [{"base_url", "client_id",
"secret", "residents": [x_id, ...]}]}`` from stdin and answers ``{"targets": [[integration_id,
resident_id], ...]}`` on stdout. It stands in for the sync that the rival does not have.
"""

import hashlib
import json
import sys
import uuid

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from bench.rival.models import ApiToken, Base, Integration, Resident
from bench.rival.settings import database_url


def main() -> None:
    """Create the tables and the rows that stdin names."""
    world = json.load(sys.stdin)
    account_id = str(uuid.uuid4())
    engine = create_engine(database_url("psycopg"))
    Base.metadata.create_all(engine)
    targets: list[tuple[str, str]] = []
    with Session(engine) as session, session.begin():
        session.add(
            ApiToken(
                account_id=account_id,
                token_hash=hashlib.sha256(world["token"].encode()).hexdigest(),
            )
        )
        for entry in world["integrations"]:
            integration = Integration(
                account_id=account_id,
                base_url=entry["base_url"],
                client_id=entry["client_id"],
                secret=entry["secret"],
            )
            session.add(integration)
            session.flush()
            residents = [
                Resident(integration_id=integration.id, x_id=x_id) for x_id in entry["residents"]
            ]
            session.add_all(residents)
            session.flush()
            targets.extend((integration.id, resident.id) for resident in residents)
    engine.dispose()
    json.dump({"targets": targets}, sys.stdout)


if __name__ == "__main__":
    main()
