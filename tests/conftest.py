"""Loads what tests need where they run: the process that only waits for them saves its seconds of imports."""

import gc

import pytest


def pytest_configure(config: pytest.Config) -> None:
    waits = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if not waits:
        config.pluginmanager.import_plugin("preloaded")  # before what loads the same modules
        config.pluginmanager.import_plugin("shared_fixtures")


def pytest_collection_finish() -> None:
    gc.freeze()  # what is loaded stays: collecting garbage between tests need not look at it


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # Hypothesis asks the collector for what its summary needs
