"""The plain PyTorch loop that the suite is compared with."""

import time
from collections.abc import Iterator

import torch
from torch import nn
from torch.utils.data import DataLoader

from msaseg.data.dataset import Batch, Sample
from msaseg.training.module import SegmentationModule, fuse


def plain_loop(
    net: nn.Module,
    module: SegmentationModule,
    batches: DataLoader[Sample] | list[Batch],
    device: torch.device,
    bf16: bool,
) -> Iterator[None]:
    """Train as one would without the suite; yield after each step.

    Net, batches, precision, losses, optimizer and schedule are the module's; scores, logs and checks are left out.
    """
    optimizer = module.optimizer([{"params": list(net.parameters()), "lr": module.lr}])
    fuse(optimizer)
    schedule = module.schedule(optimizer, total_iters=len(batches)) if module.schedule else None
    for batch in batches:
        images = batch["image"].to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        labels = batch["label"].to(device, non_blocking=True).long()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            scaled = images.float() / 255
            logits, extra = net(scaled, auxiliary=True) if module.auxiliary else (net(scaled), {})
            loss = module.loss(logits, labels)
            for key, (auxiliary_loss, weight) in module.auxiliary.items():
                loss = loss + weight * auxiliary_loss(extra[key], labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        yield


def now(device: torch.device) -> float:
    """Return the clock when the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
