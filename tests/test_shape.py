"""The shape of the code is a requirement, so it has tests."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SRC = ROOT / "src" / "ripieno"
FILES = sorted(path for path in SRC.rglob("*.py") if "versions" not in path.parts)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "service", "impl"}
MAX_LINES = 500  # aim at 80-350
MAX_CLASS_LINES = 300


def name(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES + TESTS, ids=name)
def test_file_is_small_and_named_for_its_job(path: pathlib.Path):
    assert len(path.read_text().splitlines()) <= MAX_LINES
    assert path.stem.strip("_") not in VAGUE


@pytest.mark.parametrize("path", [path for path in FILES if path.stat().st_size], ids=name)
def test_module_says_what_it_is_for(path: pathlib.Path):
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_classes_are_small_and_public_things_are_documented(path: pathlib.Path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_CLASS_LINES, node.name
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_ports_stay_few():
    tree = ast.parse((SRC / "ports.py").read_text())
    protocols = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)
    ]
    assert len(protocols) <= 18, protocols


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_is_left_undone(path: pathlib.Path):
    words = ("NotImplementedError", "TODO", "FIXME", "XXX")
    assert not [word for word in words if word in path.read_text()]
