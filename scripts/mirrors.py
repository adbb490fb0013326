"""Lets uv go where pip goes: uv does not read pip's settings, so people behind a mirror would be stuck."""

import ast
import os
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

TRANSLATED = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "no-index": ("UV_NO_INDEX", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "proxy": ("ALL_PROXY", " "),
}
"""pip's setting, the variable that means the same to uv, and what stands between several values there."""


def uv_settings(python: Path) -> dict[str, str]:
    """Translate what pip reads from its files and from `PIP_*`; what is set for uv already is left alone."""
    settings: dict[str, str] = {}
    for name, value in pip_settings(python).items():
        variable, separator = TRANSLATED[name]
        values = [part for part in value.split() if exists(part)]
        if values and variable not in os.environ:
            settings[variable] = separator.join(values)
    if "UV_INDEX" in settings:
        # pip takes a version from whichever index has it, uv stops at the first index that knows the name. The
        # locks pin hashes, so looking further is safe.
        settings.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return settings


def pip_settings(python: Path) -> dict[str, str]:
    """Ask pip; the environment is stronger than the section `install`, and that than `global`."""
    listing = subprocess.run(
        [python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    found: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in listing.splitlines():
            key, _, value = line.partition("=")
            name = key.removeprefix(section)
            if key.startswith(section) and name in TRANSLATED:
                found[name] = str(ast.literal_eval(value))
    return found


def exists(value: str) -> bool:
    """Whether a value can be used: a path or `file:` address must be there, anything else is believed."""
    url = urlsplit(value)
    if url.scheme == "file":
        return Path(unquote(url.path)).exists()
    return Path(value).exists() if value.startswith("/") else True
