"""The networks: torch, torchvision and timm only, reached through `_target_` in a config."""
