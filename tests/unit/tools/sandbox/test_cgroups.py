"""Control groups of both versions, on folders that look like them."""

from pathlib import Path

from ripieno.tools.sandbox.cgroups import ControlGroups, Groups


def second(tmp_path: Path, controllers: str) -> ControlGroups:
    own = tmp_path / "own"
    own.write_text("0::/service\n")
    place = tmp_path / "service"
    place.mkdir()
    (place / "cgroup.controllers").write_text("cpu memory pids")
    (place / "cgroup.subtree_control").write_text(controllers)
    return ControlGroups(root=tmp_path, own=own)


def test_the_second_version(tmp_path: Path) -> None:
    groups = second(tmp_path, "memory pids")
    assert groups.version == 2
    made = groups.make("job", 1000, 5)
    assert made is not None
    folder = tmp_path / "service" / "job"
    assert (folder / "memory.max").read_text() == "1000"
    assert (folder / "pids.max").read_text() == "5"
    assert (folder / "memory.swap.max").read_text() == "0"
    assert made.doors == [str(folder / "cgroup.procs")]
    assert made.processor_seconds() is None
    (folder / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    assert made.processor_seconds() == 2.5
    assert not made.was_out_of_memory()
    (folder / "memory.events").write_text("low 0\noom_kill 1\n")
    assert made.was_out_of_memory()


def test_the_second_version_that_delegates_nothing(tmp_path: Path) -> None:
    groups = second(tmp_path, "cpu")
    assert groups.version == 0
    assert groups.make("job", 1, 1) is None


def test_a_delegated_one(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("")
    assert ControlGroups(delegated=tmp_path).version == 2


def test_the_first_version(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:memory:/mine\n3:pids:/\n1:cpu,cpuacct:/\n")
    for name in ("memory/mine", "pids", "cpuacct"):
        (tmp_path / name).mkdir(parents=True)
    groups = ControlGroups(root=tmp_path, own=own)
    assert groups.version == 1
    made = groups.make("job", 1000, 5)
    assert made is not None
    assert (tmp_path / "memory/mine/job/memory.limit_in_bytes").read_text() == "1000"
    assert (tmp_path / "pids/job/pids.max").read_text() == "5"
    (tmp_path / "cpuacct/job/cpuacct.usage").write_text("1500000000\n")
    assert made.processor_seconds() == 1.5
    (tmp_path / "memory/mine/job/memory.oom_control").write_text("under_oom 0\noom_kill 0\n")
    assert not made.was_out_of_memory()


def test_a_group_that_cannot_be_made(tmp_path: Path) -> None:
    groups = second(tmp_path, "memory pids")
    (tmp_path / "service" / "job").mkdir()
    assert groups.make("job", 1, 1) is None
    assert ControlGroups(root=tmp_path, own=tmp_path / "none").version == 0


def test_removing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert Groups([tmp_path / "a", tmp_path / "b"]).remove()
    assert not (tmp_path / "a").exists()
    assert Groups([]).processor_seconds() is None
    assert not Groups([]).was_out_of_memory()
