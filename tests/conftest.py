"""Loads `shared_fixtures` where tests run: the process that only waits for them saves its seconds of imports."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    waits = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if not waits:
        config.pluginmanager.import_plugin("shared_fixtures")
