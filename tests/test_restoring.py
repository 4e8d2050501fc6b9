"""A checkpoint alone gives the trained net back; what is no checkpoint is refused in one line and never executed."""

import functools
import pickle
import random
import signal
import socket
import zipfile
from contextlib import contextmanager, suppress
from resource import RUSAGE_SELF, getrusage

import pytest
import torch
from command_line import PLAIN
from trained import leave_checkpoint

from msaseg.classes import CLASSES
from msaseg.cli.errors import UserError
from msaseg.config import CONF, config_hash
from msaseg.nets.fcn8 import FCN8
from msaseg.training.restore import choose_device, construct, restore


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """Path, configuration and module of a checkpoint."""
    path = tmp_path_factory.mktemp("left") / "weights.ckpt"
    return path, *leave_checkpoint(path, *PLAIN)


@pytest.fixture
def rewritten(left, tmp_path):
    """Write the checkpoint anew after a change of its weights or its configuration."""

    def rewrite(change):
        content = torch.load(left[0], weights_only=True)
        change(content["state_dict"], content["msaseg"]["config"])
        path = tmp_path / "changed.ckpt"
        torch.save(content, path)
        return path

    return rewrite


def test_net_when_reopened_is_ready_to_predict(left):
    net = restore(left[0]).net
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_checkpoint_when_reopened_tells_what_trained_it(left):
    path, config, _ = left
    restored = restore(path)
    assert (restored.name, restored.protocol, restored.size) == ("msanet", "smoke", (64, 96))
    assert restored.classes == CLASSES[:11]
    assert restored.config_hash == config_hash(config)
    assert restored.mean_std == ([0.5] * 3, [0.5] * 3)
    assert restored.digest.startswith("sha256:")


@pytest.mark.parametrize("asked", [{"weights": "imagenet", "weights_dir": "<paths.weights>"}, {}])
def test_pretrained_net_when_reopened_needs_neither_weights_file_nor_network(tmp_path, monkeypatch, asked):
    path = tmp_path / "weights.ckpt"
    _, module = leave_checkpoint(path, "model/net/encoder=resnet18")
    content = torch.load(path, weights_only=True)
    encoder = content["msaseg"]["config"]["model"]["net"]["encoder"]
    del encoder["weights"], encoder["weights_dir"]  # its class asks for "imagenet" then
    encoder |= asked
    torch.save(content, path)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
    restored = restore(path)
    images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(restored.logits(images), module(images))
    assert restored.mean_std[0] == pytest.approx([0.485, 0.456, 0.406])


@pytest.mark.parametrize("model", sorted(path.stem for path in (CONF / "model").glob("*.yaml")))
def test_net_of_any_kind_when_reopened_computes_what_it_computed(tmp_path, model):
    _, module = leave_checkpoint(tmp_path / "a.ckpt", f"model={model}")
    images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(restore(tmp_path / "a.ckpt").logits(images), module(images))


def test_net_without_normalisation_has_mean_0_and_deviation_1(tmp_path):
    leave_checkpoint(tmp_path / "a.ckpt", "model=enet")
    assert restore(tmp_path / "a.ckpt").mean_std == ([0.0] * 3, [1.0] * 3)


def refused(path):
    with pytest.raises(UserError) as caught:
        restore(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_file_when_it_is_missing_or_no_checkpoint_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a.ckpt"
    assert "no such file" in refused(path)
    assert "no such file" in refused(tmp_path)
    for content in (b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000)):
        path.write_bytes(content)
        assert "cut off, changed or not a checkpoint" in refused(path)
    torch.save([1, 2], path)
    assert "not a checkpoint (it holds a list)" in refused(path)
    for foreign in ({"state_dict": {}}, {"msaseg": {"config": {}}, "state_dict": {}}, {"msaseg": 1}):
        torch.save(foreign, path)
        assert "not a checkpoint of msaseg" in refused(path)


def test_file_when_it_is_cut_or_damaged_anywhere_is_refused_or_read(left, tmp_path):
    whole = left[0].read_bytes()
    path = tmp_path / "a.ckpt"
    choice = random.Random(0)
    for _ in range(15):
        path.write_bytes(whole[: choice.randrange(len(whole))])
        refused(path)
    for _ in range(40):
        damaged = bytearray(whole)
        for _ in range(20):
            damaged[choice.randrange(3000)] = choice.randrange(256)
        path.write_bytes(damaged)
        with suppress(UserError):  # any other exception would be a traceback
            restore(path)


def test_file_when_it_would_execute_something_is_refused_and_executes_nothing(tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "sprung"), "w")

    path = tmp_path / "a.ckpt"
    torch.save({"msaseg": Trap()}, path)
    refused(path)
    path.write_bytes(pickle.dumps(Trap()))
    refused(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        (lambda state, config: state.popitem(), "1 tensors do not fit"),
        (lambda state, config: state.update({"net.more": torch.zeros(1)}), "(first: more)"),
        (lambda state, config: state.update({"net.encoder.stem.0.weight": torch.zeros(1)}), "(first: encoder"),
        (lambda state, config: config.pop("model"), "cannot be built ('model')"),
        (lambda state, config: config.pop("protocol"), "cannot be built ('protocol')"),
        (lambda state, config: config.update(model="msanet"), "cannot be built"),
        (lambda state, config: config["model"]["net"].update(wings=2), "wings"),
        (lambda state, config: config["model"]["net"].update(num_poolings=9), "num_poolings"),
        (lambda state, config: config["model"]["net"].update(_target_="msaseg.nets.new.New"), "nets.new"),
        (lambda state, config: config["model"]["net"].update(_target_="os.system"), "os.system"),
    ],
)
def test_checkpoint_when_its_net_is_not_of_this_version_is_refused_with_the_mend(rewritten, change, phrase):
    message = refused(rewritten(change))
    assert phrase in message
    assert "use the version of msaseg that trained it" in message


def first_weight(state):
    return next(name for name, tensor in state.items() if tensor.is_floating_point() and name.startswith("net."))


def spoil(state, value):
    state[first_weight(state)][0, 0, 0, 0] = value


def endless():
    more = []
    more.append(more)
    return more


def doubled(times):
    return [doubled(times - 1)] * 2 if times else []


def share(state, config):
    """Ask for a wide net, all of whose weights are one number of the file."""
    config["model"]["net"]["width"] = 8192
    with torch.device("meta"):
        net = construct(config["model"]["net"], "msaseg.nets")
    state.update({f"net.{name}": torch.zeros(()).expand(tensor.shape) for name, tensor in net.state_dict().items()})


HOSTILE = {
    "input of 0 pixels": lambda state, config: config["data"]["source"].update(size=[0, 96]),
    "input of 1000000 pixels": lambda state, config: config["data"]["source"].update(size=[1000000, 1000000]),
    "input of 8192 pixels": lambda state, config: config["data"]["source"].update(size=[64, 8192]),
    "input of no number": lambda state, config: config["data"]["source"].update(size=[64.0, "96"]),
    "input of one side": lambda state, config: config["data"]["source"].update(size=[64]),
    "a billion classes": lambda state, config: config["model"].update(num_classes=10**9),
    "a net of a billion classes": lambda state, config: config["model"]["net"].update(num_classes=10**9),
    "classes unlike the net's": lambda state, config: config["model"].update(num_classes=12),
    "no class": lambda state, config: config["model"].update(num_classes=0),
    "a width of a billion": lambda state, config: config["model"]["net"].update(width=10**9),
    "keys that cannot be sorted": lambda state, config: config.update({1: 2, "a": 3}),
    "a key that is no word": lambda state, config: config["data"].update({(1, 2): 3}),
    "a list that holds itself": lambda state, config: config.update(more=endless()),
    "a list of a billion lists": lambda state, config: config["model"]["net"].update(more=doubled(30)),
    "a billion numbers that are one": share,
    "a tensor without a name": lambda state, config: state.update({5: torch.zeros(1)}),
    "a weight that is no tensor": lambda state, config: state.update({first_weight(state): 3}),
    "a weight of NaN": lambda state, config: spoil(state, float("nan")),
    "an infinite weight": lambda state, config: spoil(state, float("inf")),
    "a sparse weight": lambda state, config: state.update(
        {first_weight(state): state[first_weight(state)].to_sparse()}
    ),
    "a name with a line break": lambda state, config: config["model"].update(name="a\nb"),
    "a name of a megabyte": lambda state, config: config["protocol"].update(name="a" * 10**6),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_checkpoint_that_asks_for_what_cannot_be_is_refused_in_one_line(rewritten, change):
    path = rewritten(change)
    before = getrusage(RUSAGE_SELF).ru_maxrss
    assert len(refused(path)) < 600
    assert getrusage(RUSAGE_SELF).ru_maxrss - before < 200_000  # KB


def numbers(part, where=()):
    """Yield the place of each number of a configuration."""
    for key, value in part.items():
        if isinstance(value, dict):
            yield from numbers(value, (*where, key))
        elif type(value) in (int, float):
            yield *where, key


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(path.stem for path in (CONF / "model").glob("*.yaml")))
def test_checkpoint_with_any_number_of_its_net_without_measure_is_refused_at_once(tmp_path, model):
    leave_checkpoint(tmp_path / "a.ckpt", f"model={model}")
    content = torch.load(tmp_path / "a.ckpt", weights_only=True)
    net = content["msaseg"]["config"]["model"]["net"]
    for *way, last in list(numbers(net)):
        part = functools.reduce(dict.__getitem__, way, net)
        whole = part[last]
        for value in (10**9, 10**400, float("inf")):
            part[last] = value
            torch.save(content, tmp_path / "a.ckpt")
            with within_seconds(60):
                refused(tmp_path / "a.ckpt")
        part[last] = whole


@contextmanager
def within_seconds(number):
    def late(*_):
        raise TimeoutError(f"not done in {number} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(number)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_packed_checkpoint_is_refused_for_a_small_one_could_fill_the_memory(left, tmp_path):
    path = tmp_path / "packed.ckpt"
    with zipfile.ZipFile(left[0]) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in whole.infolist():
            packed.writestr(entry.filename, whole.read(entry))
    assert "it is packed" in refused(path)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "Popen",
        "msaseg.netsss.Net",
        "msaseg.nets.encoders.weights.load_strictly",
        "msaseg.nets.encoders.timm_model.timm.create_model",
        "msaseg.nets.encoders.weights.Callable",
        "msaseg.data.camvid.CamVid",
    ],
)
def test_target_when_it_is_no_class_of_the_package_is_not_called(target):
    with pytest.raises(ValueError, match=r"is not a class of msaseg\.nets"):
        construct({"_target_": target}, "msaseg.nets")


def test_part_when_described_is_built_with_the_parts_inside_it():
    encoder = {"_target_": "msaseg.nets.encoders.conv.ConvEncoder", "channels": [8, 8, 8, 16]}
    part = {"_target_": "msaseg.nets.fcn8.FCN8", "num_classes": 3, "fc_channels": 4, "encoder": encoder}
    net = construct(part, "msaseg.nets")
    assert isinstance(net, FCN8)
    assert net.encoder.channels == (8, 8, 8, 16)


def test_device_when_asked_for_is_one_that_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match=r"device cuda: .*choose cpu"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
    assert choose_device("cpu") == torch.device("cpu")
