import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ripieno.domain.errors import Invalid, NotFound
from ripieno.store.definitions import FileDefinitions
from ripieno.testing.fake_clock import FakeClock

AGENT = "name: {name}\ndescription: {text}\n"
DEEP = "[" * 200 + "]" * 200


def put(folder: Path, file: str, content: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def agent(folder: Path, name: str, text: str = "works", file: str | None = None) -> Path:
    return put(folder, file or f"{name}.yaml", AGENT.format(name=name, text=text))


async def loaded(*folders: Path) -> FileDefinitions:
    definitions = FileDefinitions(folders, FakeClock())
    await definitions.load()
    return definitions


async def names(definitions: FileDefinitions) -> list[str]:
    return [item.name for item in await definitions.agents()]


async def complaints(definitions: FileDefinitions) -> list[tuple[str, int | None, str]]:
    return [(Path(item.file).name, item.line, item.reason) for item in await definitions.problems()]


async def test_agents_come_by_name_from_both_suffixes(tmp_path: Path):
    agent(tmp_path, "zebra")
    agent(tmp_path, "adder", file="x.yml")
    put(tmp_path, "notes.txt", "name: nobody\n")
    put(tmp_path, ".#zebra.yaml", "half written: [")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "dangling.yaml").symlink_to(tmp_path / "nowhere")
    definitions = await loaded(tmp_path, tmp_path / "missing")
    assert await names(definitions) == ["adder", "zebra"]
    assert await complaints(definitions) == []
    assert (await definitions.agent("adder")).description == "works"


async def test_unknown_name_gets_near_names(tmp_path: Path):
    agent(tmp_path, "reviewer")
    definitions = await loaded(tmp_path)
    with pytest.raises(NotFound) as caught:
        await definitions.agent("reviewr")
    assert caught.value.near == ("reviewer",)


async def test_later_folder_overrides_and_deletion_gives_the_shipped_one_back(tmp_path: Path):
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    agent(shipped, "helper", "shipped")
    mine = agent(own, "helper", "mine")
    definitions = await loaded(shipped, own)
    assert (await definitions.agent("helper")).description == "mine"
    assert await complaints(definitions) == []
    mine.unlink()
    await definitions.load()
    assert (await definitions.agent("helper")).description == "shipped"
    (shipped / "helper.yaml").unlink()
    await definitions.load()
    assert await names(definitions) == []


async def test_second_file_of_a_name_in_one_folder_is_reported_and_takes_over_when_the_first_goes(tmp_path: Path):
    first = agent(tmp_path, "helper", "first", file="a.yaml")
    agent(tmp_path, "helper", "second", file="b.yaml")
    definitions = await loaded(tmp_path)
    assert (await definitions.agent("helper")).description == "first"
    assert await complaints(definitions) == [
        ("b.yaml", 1, "a.yaml in the same folder already defines the agent helper")
    ]
    first.unlink()
    await definitions.load()
    assert (await definitions.agent("helper")).description == "second"
    assert await complaints(definitions) == []


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("", None, "empty"),
        ("# only a comment\n", None, "empty"),
        ("name: a\n---\nname: b\n", 2, "not valid YAML"),
        ("name: a\ntools: [x\n", 3, "not valid YAML"),
        ("name: a\nname: b\n", 2, "twice"),
        ("- name: a\n", 1, "keys of one agent"),
        ("description: no name\n", 1, "name is required"),
        ("name: a\n\ntemperature: hot\n", 3, "temperature: Input should be a valid number"),
        ("name: a\nllm_config:\n  model: x\n  temperature: 9\n", 4, "temperature"),
        ("name: a\nexecution_mode: sometimes\n", 2, "mode"),
        (
            "name: a\nlimits:\n  seconds: 5\n  max_turn: 3\n",
            4,
            "limits.max_turn is not known here; did you mean max_turns?",
        ),
        ("name: a\nmemory:\n  colour: 3\n", 3, "memory.colour is not known here"),
        ("name: a\n\naprovals: ['time.*']\n", 3, "unknown key aprovals; did you mean approvals?"),
        ("name: a\ntools:\n  - math.*\n  - [x]\n", 4, "tools.1"),
        ("name: NOT a name\n", 1, "name"),
        ("name: a\nmode: collaborative\n", 1, "a collaborative agent needs members"),
        ("name: a\ninstructions: |\n  Hello\n  {% if goal %}\n", 4, "template is broken"),
        ("name: a\n\nsystem_prompt: 'Hello {{ goal'\n", 3, "template is broken"),
        (b"name: a\ndescription: \xff\n", 2, "not UTF-8"),
        ("name: a\ndescription: '\x07'\n", 2, "control character"),
        ("name: a\nwhen: 2026-99-99\n", None, "looks like a date"),
        ("name: a\nphoto: !!binary gIGC\n", 1, "JSON"),
        ("name: a\nx: !!python/object/apply:os.system [id]\n", 2, "not valid YAML"),
        (f"name: a\nx: {DEEP}\n", 2, "nested more than"),
        ("name: a\nx: &x [*x]\n", 2, "part of"),
        ("name: a\ndescription: " + "x" * 300_000, None, "larger than 256 KiB"),
        ("name: a\nx: [" + "1," * 30_000 + "]\n", 2, "too many values"),
    ],
)
async def test_a_bad_file_is_reported_with_its_line_and_harms_no_other(
    tmp_path: Path, content: str | bytes, line: int | None, reason: str
):
    agent(tmp_path, "good")
    put(tmp_path, "bad.yaml", content)
    definitions = await loaded(tmp_path)
    assert await names(definitions) == ["good"]
    [(file, found, why)] = await complaints(definitions)
    assert (file, found) == ("bad.yaml", line)
    assert reason in why


async def test_every_wrong_key_of_a_file_is_reported(tmp_path: Path):
    put(tmp_path, "bad.yaml", "name: a\nmax_reworks: 99\nmax_tokens: 0\n")
    found = await complaints(await loaded(tmp_path))
    assert sorted(line for _, line, _ in found if line) == [2, 3]


async def test_aliases_work_but_may_not_unfold_without_end(tmp_path: Path):
    put(tmp_path, "fine.yaml", "name: fine\ntools: &mine [math.*]\napprovals: *mine\n")
    laughs = ["name: bomb", "a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        laughs.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    put(tmp_path, "bomb.yaml", "\n".join(laughs))
    definitions = await loaded(tmp_path)
    assert (await definitions.agent("fine")).approvals == ("math.*",)
    [(file, _, reason)] = await complaints(definitions)
    assert file == "bomb.yaml"
    assert "unfold" in reason


async def test_unreadable_file_is_reported(tmp_path: Path):
    path = agent(tmp_path, "secret")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")
    [(_, _, reason)] = await complaints(await loaded(tmp_path))
    assert "permission denied" in reason


async def test_file_that_turns_bad_keeps_its_last_good_version(tmp_path: Path):
    path = agent(tmp_path, "helper", "good")
    definitions = await loaded(tmp_path)
    path.write_text("name: helper\ntemperature: hot\n")
    await definitions.load()
    assert (await definitions.agent("helper")).description == "good"
    assert [line for _, line, _ in await complaints(definitions)] == [2]
    path.write_text("name: [\n")
    await definitions.load()
    assert (await definitions.agent("helper")).description == "good"
    agent(tmp_path, "helper", "mended")
    await definitions.load()
    assert (await definitions.agent("helper")).description == "mended"
    assert await complaints(definitions) == []


async def test_a_misspelt_approval_does_not_take_the_approvals_away(tmp_path: Path):
    path = put(tmp_path, "helper.yaml", "name: helper\napprovals: ['time.*']\n")
    definitions = await loaded(tmp_path)
    path.write_text("name: helper\ndescription: new\naprovals: ['time.*']\nApproval: x\n")
    await definitions.load()
    assert (await definitions.agent("helper")).approvals == ("time.*",)
    assert [line for _, line, _ in await complaints(definitions)] == [3, 4]


TEAM = "name: team\nmode: collaborative\npattern: review\nmembers:\n"


def crew(folder: Path, *roles: str) -> None:
    for role in roles:
        put(folder, f"{role}.yaml", f"name: {role}\nrole: {role}\n")


async def test_a_team_of_planner_executor_and_reviewer_is_whole(tmp_path: Path):
    crew(tmp_path, "planner", "executor", "reviewer")
    put(tmp_path, "team.yaml", TEAM + "  - planner\n  - executor\n  - reviewer\n")
    definitions = await loaded(tmp_path)
    assert (await definitions.agent("team")).is_team
    assert await complaints(definitions) == []


async def test_a_team_with_members_that_do_not_exist_is_reported_on_their_lines_and_not_offered(tmp_path: Path):
    crew(tmp_path, "planner", "executor", "reviewer")
    members = ("planner", "executor", "reviewer", "planer", "team")
    put(tmp_path, "team.yaml", TEAM + "".join(f"  - {member}\n" for member in members))
    definitions = await loaded(tmp_path)
    assert await names(definitions) == ["executor", "planner", "reviewer"]
    assert await complaints(definitions) == [
        ("team.yaml", 8, "the member planer does not exist; did you mean planner?"),
        ("team.yaml", 9, "the team team is its own member"),
    ]
    agent(tmp_path, "planer")
    await definitions.load()
    assert len(await complaints(definitions)) == 1


async def test_a_team_without_the_roles_it_needs_cannot_be_had_until_it_has_them(tmp_path: Path):
    agent(tmp_path, "helper")
    crew(tmp_path, "planner")
    put(tmp_path, "team.yaml", TEAM + "  - helper\n  - planner\n")
    definitions = await loaded(tmp_path)
    reasons = [f"the team team has no member with the role {role}" for role in ("executor", "reviewer")]
    assert await complaints(definitions) == [("team.yaml", 4, reason) for reason in reasons]
    with pytest.raises(Invalid) as caught:
        await definitions.agent("team")
    assert caught.value.detail == f"the team team cannot work: {'; '.join(reasons)}"
    assert [(problem.pointer, problem.detail) for problem in caught.value.problems] == [
        ("/agent", reason) for reason in reasons
    ]
    crew(tmp_path, "executor", "reviewer")
    put(tmp_path, "team.yaml", TEAM + "  - helper\n  - planner\n  - executor\n  - reviewer\n")
    await definitions.load()
    assert (await definitions.agent("team")).is_team


async def test_an_overridden_team_is_not_reported(tmp_path: Path):
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    put(shipped, "team.yaml", "name: team\nmode: collaborative\nmembers: [nobody]\n")
    agent(own, "team")
    assert await complaints(await loaded(shipped, own)) == []


async def test_only_what_changed_is_read_again(tmp_path: Path):
    agent(tmp_path, "one")
    two = agent(tmp_path, "two")
    definitions = await loaded(tmp_path)
    before = await definitions.agent("one")
    agent(tmp_path, "two", "changed")
    await definitions.load()
    assert await definitions.agent("one") is before
    assert (await definitions.agent("two")).description == "changed"
    # The same stamp means the same content: this write is seen only when the stamp moves.
    stamp = two.stat()
    two.write_text(two.read_text().replace("changed", "unheard"))
    os.utime(two, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    await definitions.load()
    assert (await definitions.agent("two")).description == "changed"


async def test_watch_picks_up_changes(tmp_path: Path):
    clock = FakeClock()
    definitions = FileDefinitions([tmp_path], clock)
    await definitions.load()

    async def poll() -> Sequence[str]:
        await clock.sleepers(1)
        clock.advance(1)
        await clock.sleepers(1)
        return await names(definitions)

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(definitions.watch())
        await clock.sleepers(1)
        agent(tmp_path, "newcomer")
        assert await names(definitions) == []
        assert await poll() == ["newcomer"]
        (tmp_path / "newcomer.yaml").unlink()
        assert await poll() == []
        watching.cancel()


async def test_a_problem_is_logged_once_with_its_place(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "bad.yaml").write_text("name: a\nmode: sideways\n")
    definitions = FileDefinitions([tmp_path], FakeClock())
    await definitions.load()
    (tmp_path / "good.yaml").write_text("name: b\n")
    await definitions.load()
    assert [record.getMessage().split(": ")[0] for record in caplog.records] == [f"{tmp_path / 'bad.yaml'}:2"]
