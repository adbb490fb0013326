"""No tracked file names a place that exists for one person alone: a machine's folders, a package registry's host."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Put together from pieces, so that this file does not hold what it looks for.
FOLDERS = [
    *(f"/{first}/{second}" for first, second in (("work", "main"), ("work", "shared"), ("home", r"\w+"), ("root", ""))),
    "/Users/" + r"\w+",
    "/tmp/" + "bash_jobs",
]
HOSTS = [
    "pypi" + r"\.org",
    "pythonhosted" + r"\.org",
    "registry" + r"\.npmjs\.org",
    "registry" + r"\.yarnpkg\.com",
    "proxy" + r"\.golang\.org",
    r"artifactory[.\-]",
    "://" + r"[\w.-]+/(?:pypi|npm)/",
]
FORBIDDEN = re.compile("|".join(rf"(?<![\w.]){place}" for place in FOLDERS) + "|" + "|".join(HOSTS))


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if (ROOT / line).is_file()]


def test_tracked_files_name_no_such_place():
    found: list[str] = []
    for path in tracked():
        text = (ROOT / path).read_text(errors="replace")
        found += [f"{path}: {match[0]}" for match in FORBIDDEN.finditer(text)]
    assert not found


@pytest.mark.parametrize("line", ["see /work" + "/main/x", "https://pypi" + ".org/simple", "cd /root" + "/x"])
def test_the_pattern_finds_them(line: str):
    assert FORBIDDEN.search(line)


@pytest.mark.parametrize("line", ["https://example.org", "docs/work/main", "/srv/ripieno"])
def test_the_pattern_leaves_others_alone(line: str):
    assert not FORBIDDEN.search(line)
