"""How far a run is, as a log and a terminal tell it."""

import io
import logging
import re

import pytest
from test_module import run_parts, trainer

from msaseg.training.progress import Progress

EPOCH = r"epoch %d/2 · loss \d\.\d\d · val mIoU \d+\.\d"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """What a fit and a test of two epochs drew in a terminal, and the lines that they logged."""
    terminal, lines, handler = io.StringIO(), [], logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("msaseg.training.progress")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    progress = Progress("val", terminal)
    progress._is_due = lambda: True
    data, module = run_parts()
    runner = trainer(2, tmp_path_factory.mktemp("run"), callbacks=[progress])
    runner.fit(module, data)
    runner.test(module, data, verbose=False)
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    return terminal.getvalue(), lines


def test_log_has_a_line_per_epoch_with_what_is_left(fitted):
    _, lines = fitted
    assert len(lines) == 2
    assert re.fullmatch(EPOCH % 1 + r" · \d+ s left", lines[0]), lines
    assert re.fullmatch(EPOCH % 2, lines[1]), lines


def test_terminal_has_one_line_that_is_drawn_over(fitted):
    drawn, _ = fitted
    assert "\n" not in drawn
    states = drawn.split("\r\033[K")
    assert re.fullmatch(r"epoch 1/2 · step 1/2 · loss \d\.\d\d", states[1]), states
    assert re.fullmatch(r"epoch 2/2 · step 1/2 · loss \d\.\d\d · \d+ s left", states[4]), states
    assert states[-2] == "test 1/1"
    assert states[-1] == ""


def test_line_of_an_epoch_without_validation_names_no_score(tmp_path, caplog):
    data, module = run_parts()
    with caplog.at_level(logging.INFO):
        trainer(1, tmp_path, callbacks=[Progress("val")], limit_val_batches=0).fit(module, data)
    assert re.fullmatch(r"epoch 1/1 · loss \d\.\d\d", caplog.messages[-1])
