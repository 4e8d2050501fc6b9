"""The networks: torch, torchvision and timm only.

>>> import torch
>>> net = MSANet(num_classes=11, encoder="resnet18")  # random weights: nothing is downloaded
>>> net(torch.rand(1, 3, 90, 120)).shape
torch.Size([1, 11, 90, 120])
"""

from msaseg.nets.bisenet import BiSeNet
from msaseg.nets.deeplab_largefov import DeepLabLargeFOV
from msaseg.nets.dfanet.aggregation import AggregationNet
from msaseg.nets.dpn import DeepParsingNetwork
from msaseg.nets.enet import ENet
from msaseg.nets.fcn8 import FCN8
from msaseg.nets.fcn8s import FCN8s
from msaseg.nets.icnet import ICNet
from msaseg.nets.msanet.net import MSANet
from msaseg.nets.msfnet import MSFNet
from msaseg.nets.net import SegmentationNet
from msaseg.nets.segnet import SegNet
from msaseg.nets.swiftnet import SwiftNet
from msaseg.nets.swiftnet_pyramid import SwiftNetPyramid

__all__ = [
    "FCN8",
    "AggregationNet",
    "BiSeNet",
    "DeepLabLargeFOV",
    "DeepParsingNetwork",
    "ENet",
    "FCN8s",
    "ICNet",
    "MSANet",
    "MSFNet",
    "SegNet",
    "SegmentationNet",
    "SwiftNet",
    "SwiftNetPyramid",
]
