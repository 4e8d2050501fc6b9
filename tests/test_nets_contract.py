"""Every net under the one contract."""

from contract_net import NetContract

from msaseg.nets.encoders.conv import ConvEncoder
from msaseg.nets.encoders.resnet18 import ResNet18Encoder
from msaseg.nets.encoders.timm_model import TimmEncoder
from msaseg.nets.encoders.vgg16 import VGG16Encoder
from msaseg.nets.fcn8 import FCN8
from msaseg.nets.msanet.net import MSANet


class TestFCN8(NetContract):
    def build(self, num_classes=12):
        return FCN8(num_classes, ConvEncoder(), fc_channels=32)


class TestFCN8WithVGG16(NetContract):
    def build(self, num_classes=12):
        return FCN8(num_classes, VGG16Encoder("none", width=8), fc_channels=16)


class TestMSANet(NetContract):
    def build(self, num_classes=12):
        return MSANet(num_classes, ConvEncoder(), width=16)


class TestMSANetWithoutPooling(NetContract):
    def build(self, num_classes=12):
        return MSANet(num_classes, ConvEncoder(), width=16, num_poolings=0, branches=1)


class TestMSANetWithoutFusion(NetContract):
    def build(self, num_classes=12):
        return MSANet(num_classes, ConvEncoder(), width=16, fusion="none")


class TestMSANetWithoutFusionAndPooling(NetContract):
    def build(self, num_classes=12):
        return MSANet(num_classes, ConvEncoder(), width=16, num_poolings=0, branches=1, fusion="none")


class TestMSANetWithResNet18(NetContract):
    def build(self, num_classes=12):
        return MSANet(num_classes, ResNet18Encoder("none"), width=16, num_poolings=1)


class TestMSANetWithTimm(NetContract):
    def build(self, num_classes=12):
        return MSANet(num_classes, TimmEncoder("tf_efficientnet_lite0", "none"), width=16, num_poolings=2)
