"""Fig. 5: from the weights of a recorded run, or skipped with the command that makes them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tables_suite import Suite

from msaseg.config import compose_run, hashed_part
from msaseg.figures.catalogue import PREDICTED, catalogue
from msaseg.figures.planned import Skipped
from msaseg.figures.predictions import predict, predictions
from msaseg.figures.style import rendered
from msaseg.tables.plan import Plan
from msaseg.tables.results import Results
from msaseg.tables.spec import load_tables
from msaseg.training.trainer import build

ROW = "msanet"
TABLE = load_tables()["class_iou"]


@pytest.fixture
def suite(suite) -> Suite:
    return replace(suite, table=TABLE)


def draw(suite):
    return predictions(TABLE, ROW, suite.plan.protocol("smoke"), suite.results)


def config_of(point):
    return compose_run([*point.overrides, "protocol.weights=none"])


def leave_weights(suite, point, table="class_iou"):
    """Save a net of a run's configuration where the run would have."""
    module = build(config_of(point), "model")
    module.config = hashed_part(config_of(point))
    folder = suite.outputs / "runs" / table / "smoke" / point.row / f"seed{point.seed}-{point.config_hash}"
    folder.mkdir(parents=True)
    torch.save({"state_dict": module.state_dict(), "msaseg": {"config": module.config}}, folder / "weights.ckpt")
    return module, folder / "weights.ckpt"


def test_figure_shows_three_frames_spread_over_the_test_part_with_their_record(suite):
    point = suite.points("smoke", ROW)[0]
    path = suite.add(point, 40.0)
    leave_weights(suite, point)
    drawing = draw(suite)
    assert drawing.frames == ["test/street_000005", "test/street_000016", "test/street_000026"]
    assert list(drawing.records) == [path]
    assert len(drawing.figure.axes) == 9
    assert "seed 0, commit 0123456789" in drawing.caption
    text = rendered(drawing.figure, "T")[".svg"].decode()
    assert all(f">{words}</text>" in text for words in ("prediction", "truth", "Bicyclist", *drawing.frames))


def test_prediction_is_the_largest_logit_of_the_saved_net(suite):
    point = suite.points("smoke", ROW)[0]
    module, weights = leave_weights(suite, point)
    names, maps, classes = predict(config_of(point), weights)
    data = build(config_of(point), "data")
    data.setup()
    image, label = data.store.sample(data.store.names.index(names[1]), full_label=True)
    with torch.inference_mode():
        logits = module.eval().net(torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255)
    assert len(classes) == logits.shape[1]
    assert maps[1].shape == label.shape
    assert np.mean(maps[1] == logits[0].argmax(0).numpy()) > 0.999  # channels-last may round otherwise


def test_weights_of_a_run_that_another_table_made_are_found(suite):
    point = suite.points("smoke", ROW)[0]
    suite.add(point, 40.0, table="training_curves")
    leave_weights(suite, point, table="training_curves")
    assert draw(suite).frames


def test_first_seed_with_weights_is_taken(suite, monkeypatch):
    first, second, _ = suite.points("smoke", ROW)
    paths = [suite.add(point, 40.0) for point in (first, second)]
    leave_weights(suite, second)
    points = Plan.points
    monkeypatch.setattr(Plan, "points", lambda self, table, protocol: points(self, table, protocol, [0, 1, 2]))
    assert list(draw(suite).records) == paths[1:]


def test_without_weights_the_command_that_makes_them_is_told(suite):
    suite.add(suite.points("smoke", ROW)[0], 40.0)
    with pytest.raises(Skipped, match=r"weights .* not on this machine.*msaseg\.train .*protocol=smoke.*rerun=true$"):
        draw(suite)


def test_without_a_record_the_command_of_the_run_is_told(suite):
    with pytest.raises(Skipped, match=r"no record .*msaseg\.train .*\+experiment=class_iou protocol=smoke seed=0$"):
        draw(suite)


def test_stale_record_shows_no_prediction(suite):
    point = suite.points("smoke", ROW)[0]
    suite.add(point, 40.0, config_hash="aaaaaaaa")
    leave_weights(suite, replace(point, config_hash="aaaaaaaa"))
    with pytest.raises(Skipped):
        draw(suite)


def test_damaged_weights_are_named_with_the_mend(suite):
    point = suite.points("smoke", ROW)[0]
    suite.add(point, 40.0)
    _, weights = leave_weights(suite, point)
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(Skipped, match=r"weights\.ckpt: cut off, changed .*rerun=true"):
        draw(suite)


def test_protocol_of_its_own_table_shows_the_predictions_of_that_table_alone(suite):
    tables = {id: each for id, each in load_tables().items() if id in PREDICTED}
    protocols = [suite.plan.protocol(name) for name in ("paper", "native")]
    planned = [each.id for each in catalogue(tables, Results(suite.outputs), protocols, [])]
    assert "predictions-native-enet" in planned
    assert "predictions-paper-fcn8_vgg16" in planned
    assert not {"predictions-paper-enet", "predictions-native-fcn8_vgg16"} & set(planned)
