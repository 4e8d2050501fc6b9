"""Batch norm over the frames of all processes, on a CPU too, where torch's own has no such form."""

from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning.plugins import LayerSync
from torch import Tensor, nn


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # noqa: ANN401 - autograd's context
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        return _SumOverProcesses.forward(ctx, gradient)


class _OverAllProcesses(nn.BatchNorm2d):
    """As `nn.BatchNorm2d` on one process with the frames of all."""

    def forward(self, images: Tensor) -> Tensor:
        if not self.training:
            return super().forward(images)
        values = images.float()
        mean, number = self._mean(values)
        variance, _ = self._mean((values - mean).square())
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        with torch.no_grad():
            self.num_batches_tracked += 1
            momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.flatten(), momentum)
            self.running_var.lerp_(variance.flatten() * number / (number - 1), momentum)
        normal = (values - mean) * (variance + self.eps).rsqrt()
        return (normal * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)).to(images.dtype)

    def _mean(self, values: Tensor) -> tuple[Tensor, Tensor]:
        sums = values.sum((0, 2, 3))
        number = values.new_tensor([values.numel() / values.shape[1]])
        summed = _SumOverProcesses.apply(torch.cat((sums, number)))
        return (summed[:-1] / summed[-1]).view(1, -1, 1, 1), summed[-1].detach()


class SyncBatchNormOnCpu(LayerSync):
    """Lightning's `sync_batchnorm` for a CPU: for the time of a fit, in place."""

    def apply(self, model: nn.Module) -> nn.Module:
        """Have the batch norms of a net see the frames of all processes."""
        return self._exchange(model, nn.BatchNorm2d, _OverAllProcesses)

    def revert(self, model: nn.Module) -> nn.Module:
        """Have them see their own again."""
        return self._exchange(model, _OverAllProcesses, nn.BatchNorm2d)

    def _exchange(self, model: nn.Module, old: type[nn.Module], new: type[nn.Module]) -> nn.Module:
        for module in model.modules():
            if type(module) is old:
                module.__class__ = new
        return model
