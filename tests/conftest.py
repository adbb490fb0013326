"""What all tests share: `@pytest.mark.needs("ping")` skips where a program is missing, and fails there under CI."""

import os
import shutil

import pytest

pytest_plugins = ["tests.servers.brokers"]  # fixtures of the whole session


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(program): skip where the program is missing; under CI=true, fail")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        program = str(mark.args[0])
        if shutil.which(program):
            continue
        reason = f"{program} is not installed (scripts/debian-packages.txt)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
