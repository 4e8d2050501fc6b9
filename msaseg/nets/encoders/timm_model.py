"""Any timm model with the four strides as an encoder."""

import re

import timm
import torch
from torch import Tensor

from msaseg.nets.encoders.encoder import STRIDES, Encoder
from msaseg.nets.encoders.weights import State, load_strictly, pretrained_state


class TimmEncoder(Encoder):
    """Any timm model that yields strides 4, 8, 16 and 32 with `features_only=True`.

    A local file is the whole classifier, as timm saves it. A key of it is dropped as part of the head if
    timm's classifier of that name has it and the feature model does not; any other surplus key is an error.

    Args:
        name: timm's, without a tag, such as "tf_efficientnet_lite0".
        weights: "imagenet", "none" or the path of a `.safetensors` file.
        weights_dir: folder with `<name>*.safetensors`; None downloads through timm.

    Raises:
        ValueError: for an unknown model, one without those strides, or weights that cannot be had or are
            another net's.
    """

    def __init__(self, name: str, weights: str = "imagenet", weights_dir: str | None = None) -> None:
        if not timm.is_model(name):
            raise ValueError(f"encoder name {name!r} is not a timm model: see timm.list_models()")
        net = timm.create_model(name, features_only=True, pretrained=False)
        reductions, widths = net.feature_info.reduction(), net.feature_info.channels()
        if not set(STRIDES) <= set(reductions):
            raise ValueError(f"encoder {name} has strides {reductions}, but 4, 8, 16 and 32 are needed")
        chosen = [reductions.index(stride) for stride in STRIDES]
        cfg = timm.get_pretrained_cfg(name)
        super().__init__([widths[i] for i in chosen], cfg.mean, cfg.std)
        self.chosen = chosen
        self.net = net
        state, self.weights_source = pretrained_state(name, weights, weights_dir, lambda: _download_timm(name))
        if state is not None:
            own = self.net.state_dict()
            load_strictly(self.net, _classifier_to_features(state, name, own), self.weights_source, name)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Pick the four strides among timm's."""
        features = self.net(self.normalise(images))
        return [features[i] for i in self.chosen]


def _download_timm(name: str) -> tuple[State, str]:
    with torch.random.fork_rng(devices=[]):  # what comes after is initialised as where a folder holds the weights
        net = timm.create_model(name, pretrained=True)
    return net.state_dict(), f"timm {name}.{timm.get_pretrained_cfg(name).tag}"


def _classifier_to_features(state: State, name: str, own: State) -> State:
    """Rename a classifier's keys to the feature model's and drop its head's."""
    with torch.device("meta"):
        classifier = timm.create_model(name, pretrained=False).state_dict().keys()
    # timm flattens `stages.0` to `stages_0` when it cuts a model into its stages.
    origin = {key if key in classifier else re.sub(r"^([a-z]+)_(\d+)\.", r"\1.\2.", key): key for key in own}
    return {origin.get(key, key): value for key, value in state.items() if key in origin or key not in classifier}
