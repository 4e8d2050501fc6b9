"""Encoders: feature maps at strides 4, 8, 16 and 32, from pretrained weights or scratch."""
