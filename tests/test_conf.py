"""Every shipped configuration composes, and a run's hash means what it says."""

from itertools import product

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from msaseg.config import CONF, MACHINE_KEYS, MACHINE_VALUES, ROOT, compose_run, config_hash, hashed_part
from msaseg.data.camvid import COUNTS

PROTOCOLS = sorted(path.stem for path in (CONF / "protocol").glob("*.yaml"))
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
ENCODERS = sorted(path.stem for path in (CONF / "model/net/encoder").glob("*.yaml"))


@pytest.mark.parametrize(
    ("model", "protocol"),
    sorted({*product(MODELS, ("paper", "smoke")), *product(("msanet", "fcn8_vgg16"), PROTOCOLS)}),
)
def test_every_model_and_every_protocol_composes(model, protocol):
    config = compose_run([f"model={model}", f"protocol={protocol}"])
    assert config.row == model
    assert config.protocol.name == protocol
    OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


def test_protocols_have_the_same_keys_so_that_a_model_composes_under_all():
    keys = {name: set(compose_run([f"protocol={name}"]).protocol) - {"vgg16_width"} for name in PROTOCOLS}
    assert all(found == keys["paper"] for found in keys.values())


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
        "logger=[csv,tensorboard]",
        "trainer.devices=2",
        "row=other",
        "data.num_workers=3",
        "data.eval_batch_size=1",
        "trainer.accelerator=cpu",
        "paths.outputs=/elsewhere",
    ]
    assert config_hash(compose_run(same)) == plain


@pytest.fixture(scope="module")
def laptop_hash():
    return config_hash(compose_run(["protocol=laptop"]))


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
def test_hash_changes_with_whatever_may_change_a_result(override, laptop_hash):
    assert config_hash(compose_run(["protocol=laptop", override])) != laptop_hash


def test_hashed_part_holds_no_machine_path(monkeypatch):
    monkeypatch.setenv("MSASEG_DATA", "/elsewhere")
    assert "/elsewhere" not in str(hashed_part(compose_run(["protocol=laptop"])))


def described(config):
    """What the docs say of a protocol, row by row, from its configuration."""
    protocol = config.protocol
    camvid = protocol.source._target_.endswith(".CamVid")
    counts = COUNTS if camvid else {folder: protocol.source[folder] for folder in COUNTS}
    split = instantiate(protocol.split)([f"{folder}/{number}" for folder, n in counts.items() for number in range(n)])
    size = "×".join(map(str, protocol.size))
    encoder = protocol.encoder.get("name", protocol.encoder._target_.rpartition(".")[2])
    every = "every epoch" if protocol.watch_every == 1 else f"every {protocol.watch_every} epochs"
    watched = f"{protocol.watch}, {every}" if split.val or protocol.watch == "test" else "nothing"
    return {
        "frames": "CamVid" if camvid else "synthetic",
        "train/val/test": f"{len(split.train)}/{len(split.val)}/{len(split.test)}"
        + (", random" if protocol.split._target_.endswith("RandomSplit") else ""),
        "input (h × w)": size,
        "scored at": "360×480" if camvid else size,
        "classes": "12, void the 12th" if protocol.num_classes == 12 else "11, void ignored",
        "encoder of `msanet`": f"`{encoder}`",
        "weights": f"`{protocol.weights}`",
        "width; FCN-8 channels": f"{protocol.width}; {protocol.fc_channels}",
        "augmentation": augmentation(protocol.augment),
        "epochs, batch": f"{protocol.epochs}, {protocol.batch_size}",
        "optimizer": protocol.optimizer._target_.rpartition(".")[2],
        "rate, pretrained / other": " / ".join(
            f"{protocol.lr[key]:.0e}".replace("e-0", "e-") for key in ("pretrained", "scratch")
        ),
        "schedule": schedule(protocol.schedule),
        "averaged weights": str(protocol.average or "no"),
        "watched": watched,
        "tested": {"last": "last epoch", "best": "best epoch on val"}[protocol.select],
        "precision on a CPU": {"bf16-mixed": "bf16 if it can", "32-true": "float32"}[protocol.cpu_precision],
        "seeds": protocol.seeds.replace(",", ", "),
        "results in": "`experiments/`" if protocol.publish else "`outputs/`",
    }


def augmentation(augment):
    words = ["flip"] if augment.get("flip") else []
    if augment.get("scale"):
        words.append("scale {:g}-{:g}".format(*augment.scale))
    if augment.get("crop"):
        words.append("crop {}×{}".format(*augment.crop))
    if augment.get("jitter"):
        words.append(f"colour {augment.jitter:g}")
    return ", ".join(words) or "none"


def schedule(part):
    if part is None:
        return "constant"
    warmup = f", warm-up {100 * part.warmup:g} %" if "warmup" in part else ""
    return f"polynomial {part.power:g}{warmup}"


def test_table_of_protocols_in_the_docs_says_what_their_files_say():
    page = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8").partition("## The protocols")[2]
    lines = [line for line in page.partition("\n\n`native`")[0].splitlines() if line.startswith("| ")]
    head, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    names = [name.strip("`") for name in head[1:]]
    assert sorted(names) == PROTOCOLS
    for name, *cells in zip(names, *(row[1:] for row in rows), strict=True):
        told = dict(zip((row[0] for row in rows), cells, strict=True))
        assert told == described(compose_run([f"protocol={name}"])), name


def test_docs_name_every_key_that_is_not_in_the_hash():
    page = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8").partition("## What names a run")[2]
    told = [line for line in page.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    named = {word.strip("`., |").rpartition(".")[2] for line in told for word in line.split("|")[1].split(",")}
    assert {key.rpartition(".")[2] for key in (*MACHINE_KEYS, *MACHINE_VALUES)} == named
