"""What runs a net: PyTorch as it is, compiled, as a CUDA graph, or ONNX Runtime."""

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

Program = Callable[[Tensor], Any]
"""Images to what the net returns."""

RECOMPILATIONS = 1000
"""Of one `forward`: it is compiled anew for each net of its class and for each batch."""


def program(net: nn.Module, images: Tensor, mode: str) -> Program:
    """Return what runs a net on images of one shape.

    Args:
        net: on the images' device, in their type.
        images: of the shape, device and memory format that the program will be given.
        mode: eager, compile, cudagraphs or onnxruntime.

    Raises:
        ValueError: the mode does not run on that device or in that type.
    """
    if mode == "compile":
        return _compiled(net)
    if mode == "cudagraphs":
        return _captured(net, images)
    if mode == "onnxruntime":
        return _session(net, images)
    return net


def _compiled(net: nn.Module) -> Program:
    """Compile the whole net for one shape: a break in its graph or a fall back to eager is an error."""
    import torch._dynamo

    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # that a CPU is no GPU
    torch._dynamo.config.recompile_limit = RECOMPILATIONS
    torch._dynamo.config.accumulated_recompile_limit = RECOMPILATIONS
    compiled: Program = torch.compile(net, dynamic=False, fullgraph=True)
    return compiled


def _captured(net: nn.Module, images: Tensor) -> Program:
    """Record the kernels of one eager call; a call of the program copies its images into the recorded ones."""
    if images.device.type != "cuda":
        raise ValueError("mode=cudagraphs is a GPU's: on a CPU write eager, compile or onnxruntime")
    recorded = images.clone()
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # libraries choose their kernels and take their memory before the recording
            net(recorded)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = net(recorded)

    def replay(images: Tensor) -> Any:  # noqa: ANN401 - what the net returns
        recorded.copy_(images)
        graph.replay()
        return result

    return replay


def _session(net: nn.Module, images: Tensor) -> Program:
    """Export the net for one shape and open it in ONNX Runtime, with as many threads as torch has."""
    if images.device.type != "cpu":
        raise ValueError("mode=onnxruntime is measured on a CPU: write device=cpu")
    if images.dtype == torch.bfloat16:
        raise ValueError("mode=onnxruntime takes precision=fp32 or fp16: NumPy has no bf16")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors alone
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "net.onnx"
        exported = torch.onnx.export(net, (images,), dynamo=True, verbose=False)
        assert exported is not None
        exported.save(path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (pixels,) = session.get_inputs()
    return lambda images: torch.from_numpy(session.run(None, {pixels.name: images.numpy()})[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's warnings and its hundreds of lines about each step from the user, who can mend none."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
