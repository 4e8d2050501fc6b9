"""Every shipped configuration composes, and a run's hash means what it says."""

import pytest
from omegaconf import OmegaConf

from msaseg.config import CONF, ROOT, compose_run, config_hash, hashed_part

PROTOCOLS = sorted(path.stem for path in (CONF / "protocol").glob("*.yaml"))
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
ENCODERS = sorted(path.stem for path in (CONF / "model/net/encoder").glob("*.yaml"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("model", MODELS)
def test_every_model_composes_under_every_protocol(model, protocol):
    config = compose_run([f"model={model}", f"protocol={protocol}"])
    assert config.row == model
    assert config.protocol.name == protocol
    OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_encoder_chosen_by_hand_replaces_the_protocols(encoder):
    config = compose_run([f"model/net/encoder={encoder}", "protocol=smoke"])
    target = config.model.net.encoder._target_
    assert (target == config.protocol.encoder._target_) == (encoder in ("auto", "conv"))


def test_hash_ignores_machine_seed_and_names(monkeypatch):
    plain = config_hash(compose_run(["protocol=laptop"]))
    monkeypatch.setenv("MSASEG_DATA", "/elsewhere")
    monkeypatch.setenv("MSASEG_WEIGHTS", "/elsewhere/weights")
    same = [
        "protocol=laptop",
        "seed=7",
        "logger=csv",
        "row=other",
        "data.num_workers=3",
        "trainer.accelerator=cpu",
        "paths.outputs=/elsewhere",
    ]
    assert config_hash(compose_run(same)) == plain


@pytest.mark.parametrize(
    "override",
    [
        "model.net.num_poolings=4",
        "protocol.epochs=3",
        "data.batch_size=2",
        "+trainer.limit_train_batches=1",
        "trainer.precision=32-true",
        "protocol.optimizer._target_=torch.optim.SGD",
    ],
)
def test_hash_changes_with_whatever_may_change_a_result(override):
    assert config_hash(compose_run(["protocol=laptop", override])) != config_hash(compose_run(["protocol=laptop"]))


def test_hashed_part_holds_no_machine_path(monkeypatch):
    monkeypatch.setenv("MSASEG_DATA", "/elsewhere")
    assert "/elsewhere" not in str(hashed_part(compose_run(["protocol=laptop"])))


def test_table_of_protocols_in_the_docs_says_what_their_files_say():
    lines = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    table = {row[0]: row[1:] for row in rows}
    for name, size, epochs, seeds in zip(
        *(table[key] for key in ("", "input (h × w)", "epochs, batch", "seeds")), strict=True
    ):
        protocol = compose_run([f"protocol={name.strip('`')}"]).protocol
        assert size == "×".join(map(str, protocol.size)), name
        assert epochs == f"{protocol.epochs}, {protocol.batch_size}", name
        assert seeds.replace(" ", "") == str(protocol.seeds), name
