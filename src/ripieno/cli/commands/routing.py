"""`ripieno routing`: which model answers which request; publish, try and take back rules."""

from pathlib import Path
from typing import Annotated, cast

import typer
import yaml

from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit, Stop
from ripieno.domain.jsons import Json, JsonObject

routing = typer.Typer(name="routing", help="Say which model answers which request.")

Rules = Annotated[Path, typer.Argument(metavar="FILE", help="YAML or JSON with `rules` and perhaps `default`.")]


@routing.command("show")
@command()
def show_routing(*, where: Where) -> Task:
    """Show what is in force, and the versions that were published."""

    async def task(api: Api) -> Exit:
        state: JsonObject = await api.get("/v1/admin/routing")
        if where.json:
            print_json(state)
            return Exit.COMPLETED
        stable, canary = state["stable"], state["canary"]
        print_line(f"in force: {stable['version']}" if stable else "nothing is published: each request names its model")
        if canary:
            print_line(f"canary: {canary['version']}, for {state['share']:.0%} of the runs")
        for one in state["versions"]:
            print_line(f"{one['version']}  {one['created_at'][:19].replace('T', ' ')}  {one['created_by']}")
        return Exit.COMPLETED

    return task


@routing.command("publish")
@command(keeps=True)
def publish_routing(
    file: Rules,
    *,
    version: Annotated[str | None, typer.Option(help="Its name; unset, the next number.")] = None,
    canary: Annotated[float | None, typer.Option(help="The part of the runs that meets it, as in 0.1.")] = None,
    where: Where,
) -> Task:
    """Put rules in force."""
    body = {**_rules(file), **({"version": version} if version else {}), **({"canary": canary} if canary else {})}

    async def task(api: Api) -> Exit:
        done: JsonObject = await api.post("/v1/admin/routing/publish", body)
        if where.json:
            print_json(done)
            return Exit.COMPLETED
        print_line(f"{done['version']} is {'a canary' if canary else 'in force'}")
        for warning in done["warnings"]:
            print_line(f"warning: {warning['pointer']}: {warning['detail']}")
        return Exit.COMPLETED

    return task


@routing.command("simulate")
@command()
def simulate_routing(  # noqa: PLR0913 - one option for each fact
    model: Annotated[str, typer.Argument(help="The model or route that is asked for.")],
    *,
    agent: Annotated[str | None, typer.Option(help="By which agent.")] = None,
    channel: Annotated[str | None, typer.Option(help="From which channel.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="With which tag; may be repeated.")] = None,
    rules: Annotated[Path | None, typer.Option(help="Try these rules, not those in force.")] = None,
    last: Annotated[int | None, typer.Option(help="And hold them against so many requests that were made.")] = None,
    where: Where,
) -> Task:
    """Say who would answer a request, and why; nothing is changed."""
    said = {"model": model, "agent": agent, "channel": channel, "tags": tag, "last": last}
    tried = _rules(rules) if rules else {}
    body = {name: value for name, value in {**said, **tried}.items() if value is not None}

    async def task(api: Api) -> Exit:
        told: JsonObject = await api.post("/v1/admin/routing/simulate", body)
        if where.json:
            print_json(told)
            return Exit.COMPLETED
        decision: JsonObject = told["decision"] or {}
        print_line(told["why"] or f"{told['model']}, by {decision.get('rule', 'its own name')}")
        for one in decision.get("left_out", ()):
            print_line(f"left out {one['model']}: {one['why']}")
        if effect := told["effect"]:
            before, after = effect["usd_before"], effect["usd_after"]
            print_line(
                f"of the last {effect['requests']}: {effect['same']} the same, {effect['elsewhere']} elsewhere, "
                f"{effect['nowhere']} nowhere; ${before:.4f} became ${after:.4f}"
            )
        return Exit.COMPLETED

    return task


@routing.command("rollback")
@command(keeps=True)
def roll_back(version: Annotated[str, typer.Argument(help="The version to go back to.")], *, where: Where) -> Task:
    """Put an earlier version in force."""

    async def task(api: Api) -> Exit:
        done: JsonObject = await api.post("/v1/admin/routing/rollback", {"version": version})
        if where.json:
            print_json(done)
        else:
            print_line(f"{version} is in force")
        return Exit.COMPLETED

    return task


def _rules(file: Path) -> JsonObject:
    try:
        found: object = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Stop(Exit.USAGE, "usage", f"{file} cannot be read: {str(error).splitlines()[0]}") from None
    if isinstance(found, list):
        return {"rules": cast("Json", found)}
    rules = cast("JsonObject", found) if isinstance(found, dict) else {}
    if "rules" not in rules:
        raise Stop(Exit.USAGE, "usage", f"{file} has no rules")
    return {name: value for name, value in rules.items() if name in {"rules", "default"}}
