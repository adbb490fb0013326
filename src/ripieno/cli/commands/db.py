"""`ripieno db upgrade|downgrade`: the schema of a shared database."""

import asyncio
from typing import Annotated

import typer

from ripieno.cli.command import print_line
from ripieno.cli.commands.serve import DatabaseUrl, place
from ripieno.cli.connection import chosen
from ripieno.cli.exits import Exit, Stop
from ripieno.settings import Settings
from ripieno.store import migrate

db = typer.Typer(name="db", help="The schema of a shared database; a data folder needs no such care.")


@db.command()
def upgrade(database_url: DatabaseUrl = None) -> None:
    """Bring the database to this version's schema. It may be in use: running servers go on."""
    own, url = _shared(database_url)
    asyncio.run(migrate.upgrade_database(url))
    print_line(f"{place(own)} is at version {migrate.HEAD}")


@db.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="The version to go back to; `base` removes all tables of ours.")],
    database_url: DatabaseUrl = None,
) -> None:
    """Take the database back to an older schema. Stop every server and worker first."""
    own, url = _shared(database_url)
    asyncio.run(migrate.downgrade_database(url, revision))
    print_line(f"{place(own)} is at version {revision}")


def _shared(database_url: str | None) -> tuple[Settings, str]:
    own = chosen(database_url=database_url)
    if own.database_url is None:
        raise Stop(Exit.USAGE, "usage", "name the database: --database-url postgresql://…, or RIPIENO_DATABASE_URL")
    return own, own.database_url.get_secret_value()
