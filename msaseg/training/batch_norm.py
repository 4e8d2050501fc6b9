"""Batch norm over the frames of all processes: on a CPU, where torch's own has no such form, and in timm's nets."""

from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning.plugins import LayerSync
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from msaseg.cli.errors import UserError


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


class _OnCpu(nn.BatchNorm2d):
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


class _ThenActivation:
    """What timm's `BatchNormAct2d` does besides."""

    drop: nn.Module
    act: nn.Module

    def forward(self, images: Tensor) -> Tensor:
        return self.act(self.drop(super().forward(images)))  # type: ignore[misc, no-any-return]  # of the class beside


class _OnGpu(nn.SyncBatchNorm):
    process_group = None  # all


class _ActivatedOnCpu(_ThenActivation, _OnCpu):
    pass


class _ActivatedOnGpu(_ThenActivation, _OnGpu):
    pass


class BatchNormOverProcesses(LayerSync):
    """Lightning's `sync_batchnorm`, for the time of a fit, in place.

    Lightning's own takes the activation from timm's batch norms, which are one with it.

    Args:
        gpu: whether the processes have one each.
    """

    def __init__(self, *, gpu: bool) -> None:
        from timm.layers import BatchNormAct2d

        self.kinds: dict[type[_BatchNorm], type[_BatchNorm]] = {
            nn.BatchNorm2d: _OnGpu if gpu else _OnCpu,
            BatchNormAct2d: _ActivatedOnGpu if gpu else _ActivatedOnCpu,
        }

    def apply(self, model: nn.Module) -> nn.Module:
        """Have the batch norms of a net see the frames of all processes.

        Raises:
            UserError: the net has a kind of batch norm that has no such form.
        """
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                if type(module) not in self.kinds:
                    kind = type(module).__name__
                    raise UserError(f"{kind}: no form of it is known for several processes: set trainer.devices=1")
                module.__class__ = self.kinds[type(module)]
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Have them see their own again."""
        before = {new: old for old, new in self.kinds.items()}
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.__class__ = before[type(module)]
        return model
