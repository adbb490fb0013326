"""uv goes where pip goes."""

import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PYTHON = Path(sys.executable)


@pytest.fixture
def uv_settings() -> Callable[[Path], dict[str, str]]:
    return runpy.run_path(str(ROOT / "scripts" / "mirrors.py"))["uv_settings"]


@pytest.fixture(autouse=True)
def pip_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip's only settings; what this machine is set up for is out of sight."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name in {"SSL_CERT_FILE", "ALL_PROXY"}:
            monkeypatch.delenv(name)
    path = tmp_path / "pip.conf"
    path.write_text("")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path))
    return path


def test_a_mirror_of_pip_is_uvs_mirror(uv_settings: Callable[[Path], dict[str, str]], pip_file: Path):
    pip_file.write_text("[global]\nindex-url = https://mirror.example/simple\ntrusted-host = mirror.example\n")
    found = uv_settings(PYTHON)
    assert found["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert found["UV_INSECURE_HOST"] == "mirror.example"


def test_folders_that_are_not_there_are_left_out(
    uv_settings: Callable[[Path], dict[str, str]], pip_file: Path, tmp_path: Path
):
    pip_file.write_text(
        f"[global]\nextra-index-url = file:///nowhere/simple file://{tmp_path}\nfind-links = /nowhere\n"
    )
    found = uv_settings(PYTHON)
    assert found["UV_INDEX"] == f"file://{tmp_path}"
    assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert "UV_FIND_LINKS" not in found


def test_the_environment_is_stronger_than_files_and_uvs_own_settings_stronger_still(
    uv_settings: Callable[[Path], dict[str, str]], pip_file: Path, monkeypatch: pytest.MonkeyPatch
):
    pip_file.write_text("[global]\nindex-url = https://file.example/simple\nproxy = http://proxy.example:3128\n")
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.example/simple")
    monkeypatch.setenv("ALL_PROXY", "http://own.example:3128")
    found = uv_settings(PYTHON)
    assert found["UV_DEFAULT_INDEX"] == "https://environment.example/simple"
    assert "ALL_PROXY" not in found
