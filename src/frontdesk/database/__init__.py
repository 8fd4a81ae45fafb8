"""PostgreSQL: the pool, the migrations, and a server of our own where none is given.

Import from the modules (`database.pool`, `database.migrate`, `database.embedded`): nothing is
imported here, so that the server's supervisor, a process of its own, loads no driver.
"""
