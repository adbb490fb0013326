"""Links between documents lead somewhere, and paths that are named exist."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(```+|~~~+).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([\w./-]+)`")
ROOMS = ROOT / "src" / "ripieno"


def documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).exists()]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    return FENCE.sub("", path.read_text())


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", documents(), ids=name)
def test_links_lead_somewhere(document: Path):
    for link in LINK.findall(prose(document)):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        target, _, anchor = unquote(link).partition("#")
        path = document.parent / target if target else document
        assert path.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(path), f"{link}: there is no such heading"


@pytest.mark.parametrize("document", documents(), ids=name)
def test_paths_that_are_named_exist(document: Path):
    tops = {path.name for path in (*ROOT.iterdir(), *ROOMS.iterdir()) if path.is_dir() and path.name != "config"}
    for span in SPAN.findall(prose(document)):
        if "/" in span and span.split("/")[0] in tops:
            assert (ROOT / span).exists() or (ROOMS / span).exists(), f"{span} does not exist"
