"""Loads `shared_fixtures` in the processes that run tests: what it imports takes seconds, which the one that waits saves."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    waits = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if not waits:
        config.pluginmanager.import_plugin("shared_fixtures")
