"""The three formats: each writes a program to a file, and opens it again to run it."""

import json
import logging
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from msaseg.cli.extras import check_onnx
from msaseg.export.metadata import KEY, as_text
from msaseg.export.program import INSIDE, LARGEST, OUTSIDE, Program, example

Facts = dict[str, Any]
Run = Callable[[Tensor], tuple[Tensor, ...]]
"""An opened file: images to the program's outputs."""


class Format(NamedTuple):
    """One format.

    Args:
        name: as typed.
        suffix: of its files.
        check: raises `UserError` if it cannot be written here.
        write: program, path, metadata.
        open: path to what runs it.
    """

    name: str
    suffix: str
    check: Callable[[], None]
    write: Callable[[Program, Path, Facts], None]
    open: Callable[[Path], Run]


def exported(program: Program) -> ExportedProgram:
    """Record a program's graph for any number of images of any size.

    Sizes are kept free by two settings: what the recorder cannot prove of them (that a size rounded up twice is not
    smaller) is asserted when the program runs, and a size of 1 is not taken for special.
    """
    from torch.fx.experimental import _config

    sides = {name: Dim(name, min=program.smallest, max=LARGEST) for name in ("height", "width")}
    dynamic = {0: Dim("batch", min=1, max=1024), 2: sides["height"], 3: sides["width"]}
    with _quiet(), torch.no_grad(), _config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        return torch.export.export(
            program,
            (example(program.inside),),
            dynamic_shapes={"images": dynamic},
            prefer_deferred_runtime_asserts_over_guards=True,
        )


def write_pt2(program: Program, path: Path, facts: Facts) -> None:
    """Write torch's own archive: `torch.export.load(path).module()(images)`."""
    with _quiet():
        torch.export.save(exported(program), path, extra_files={KEY: json.dumps(facts)})


def open_pt2(path: Path) -> Run:
    """Open what `write_pt2` wrote."""
    with _quiet():
        return _as_tuple(torch.export.load(path).module())


def write_torchscript(program: Program, path: Path, facts: Facts) -> None:
    """Write a traced program: `torch.jit.load(path)(images)`, in Python or C++."""
    with _quiet(), torch.no_grad():
        traced = torch.jit.trace(program, (example(program.inside),), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, path, _extra_files={KEY: json.dumps(facts).encode()})


def open_torchscript(path: Path) -> Run:
    """Open what `write_torchscript` wrote."""
    with _quiet():
        return _as_tuple(torch.jit.load(path))  # type: ignore[no-untyped-call]


def write_onnx(program: Program, path: Path, facts: Facts) -> None:
    """Write an ONNX model with the metadata as its properties."""
    logging.getLogger("onnx_ir").setLevel(logging.ERROR)  # it remarks on what the exporter wrote
    with _quiet():
        made = torch.onnx.export(exported(program), dynamo=True, verbose=False)
    assert made is not None
    _name_shapes(made.model, INSIDE if program.inside else OUTSIDE)
    made.model.metadata_props.update(as_text(facts))
    made.save(path)


def open_onnx(path: Path) -> Run:
    """Open an ONNX model in ONNX Runtime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what fails is raised, too
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda images: tuple(torch.from_numpy(each) for each in session.run(None, {"images": images.numpy()}))


def _name_shapes(model: Any, outputs: tuple[str, ...]) -> None:  # noqa: ANN401 - onnx_ir has no stable types
    """Call inputs, outputs and their sizes by readable names."""
    import onnx_ir

    (images,) = model.graph.inputs
    images.name, images.shape = "images", onnx_ir.Shape(["batch", 3, "height", "width"])
    for value, name in zip(model.graph.outputs, outputs, strict=True):
        value.name = name
        channels = [] if name == "labels" else [value.shape[1]]
        value.shape = onnx_ir.Shape(["batch", *channels, "height", "width"])


def _as_tuple(module: Callable[[Tensor], Any]) -> Run:
    def run(images: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            result = module(images)
        return (result,) if isinstance(result, Tensor) else tuple(result)

    return run


def _quiet() -> AbstractContextManager[Any]:
    """Keep the recorders' deprecation and tracing warnings from the user, who can mend none of them."""
    return warnings.catch_warnings(action="ignore")


FORMATS = {
    "onnx": Format("onnx", ".onnx", partial(check_onnx, "--format onnx"), write_onnx, open_onnx),
    "torchscript": Format("torchscript", ".pt", lambda: None, write_torchscript, open_torchscript),
    "pt2": Format("pt2", ".pt2", lambda: None, write_pt2, open_pt2),
}
