"""Fig. 3: every shape that it shows is one that the module passes on."""

import torch

from msaseg.figures.architecture import architecture, measure
from msaseg.figures.diagram import diagram
from msaseg.figures.style import rendered
from msaseg.nets.encoders.conv import ConvEncoder
from msaseg.nets.msanet.net import MSANet

SIZE = (72, 96)  # padded to 96x96


def tiny(**changes) -> MSANet:
    return MSANet(3, ConvEncoder((4, 6, 8, 10)), **{"width": 5, "num_poolings": 2, **changes}).eval()


def shape(maps):
    return tuple(maps.shape[1:])


def words(shape):
    return "×".join(map(str, shape))


def test_measured_shapes_are_those_of_a_forward_pass():
    net = tiny()
    images = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        features = net.encoder(images)
        pooled = net.pooling(features)
        fused = net.fusion(pooled)
        context = net.context(fused[8])
        logits, extra = net(images[..., :72, :], auxiliary=True)
    edges = measure(tiny(), "conv", SIZE)
    assert (edges.image, edges.padded) == ((3, 72, 96), (3, 96, 96))
    assert list(edges.stages.items()) == [(96 // maps.shape[2], shape(maps)) for maps in features]
    assert edges.pooled == {stride: [shape(maps) for maps in group] for stride, group in pooled.items()}
    assert edges.fused == {stride: shape(maps) for stride, maps in fused.items()}
    assert edges.context == shape(context)
    assert {name: branch.output for name, branch in edges.branches.items()} == {
        "segmentation": shape(logits),
        "boundary": shape(extra["boundary"]),
    }


def test_maps_are_counted_where_they_are_joined():
    edges = measure(tiny(), "conv", SIZE)
    for stride, (channels, *_) in edges.joined.items():
        maps = [each for at, group in edges.pooled.items() for each in group if min(at, max(edges.fused)) == stride]
        assert channels == sum(each[0] for each in maps)
    branch = edges.branches["segmentation"]
    assert branch.joined[8][0] == branch.upsampled[8][0] + edges.context[0]
    assert branch.joined[16][0] == branch.upsampled[16][0] + edges.fused[16][0]


def test_attention_is_where_the_net_has_it():
    assert measure(tiny(attention_strides=(16, 8)), "conv", SIZE).branches["boundary"].attends == (16, 8)
    assert measure(tiny(attention_strides=(32,)), "conv", SIZE).branches["segmentation"].attends == (32,)
    drawn = rendered(diagram(measure(tiny(attention_strides=()), "conv", SIZE), "T"), "T")[".svg"].decode()
    assert ">attention</text>" not in drawn


def test_diagram_shows_every_shape_of_an_edge():
    edges = measure(tiny(), "conv", SIZE)
    text = rendered(diagram(edges, "T"), "T")[".svg"].decode()
    shown = [*edges.stages.values(), *edges.projected.values(), *edges.joined.values(), *edges.fused.values()]
    for branch in edges.branches.values():
        shown += [*branch.upsampled.values(), *branch.joined.values(), branch.full, branch.output]
    for each in (edges.image, edges.padded, edges.context, *shown):
        assert words(each) in text
    assert "boundary (training only)" in text


def test_net_with_one_branch_and_no_pooling_is_drawn_as_such():
    edges = measure(tiny(branches=1, num_poolings=0), "conv", SIZE)
    text = rendered(diagram(edges, "T"), "T")[".svg"].decode()
    assert "boundary" not in text
    assert "0 poolings" in text
    assert edges.branches["segmentation"].start == 32


def test_figure_of_a_protocol_has_its_size_and_classes(suite):
    drawing = architecture(suite.plan.protocol("smoke"))
    text = rendered(drawing.figure, "T")[".svg"].decode()
    assert "3×64×96" in text
    assert "11×64×96" in text
    assert "smoke" in drawing.caption
