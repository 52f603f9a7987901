"""Figures 7 to 10 say what the modules are: sizes, fields and counts against real passes; what changes, changes there."""

from dataclasses import replace
from itertools import combinations

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from smislib import diagrams, presets
from smislib.data import mannequins
from smislib.errors import SmisError
from smislib.models.discriminators import MultiscaleDiscriminator
from smislib.models.groupdnet import Networks


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def built(preset: str = "smoke", **changes) -> Networks:
    with torch.device("meta"):
        return Networks(replace(presets.experiment("groupdnet", preset=preset).network, **changes))


def words(fig) -> list[str]:
    return [text.get_text() for ax in fig.axes for text in ax.texts if text.get_text()]


def encoder(networks: Networks):
    return diagrams.encoders({"one": networks}, {"one": mannequins.CLASSES})


def generator(networks: Networks):
    return diagrams.generators({"one": networks}, {"one": mannequins.CLASSES})


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("layers", [2, 3])
def test_discriminator_s_sizes_and_fields_are_those_of_a_real_pass(layers):
    D = MultiscaleDiscriminator(3, width=2, layers=layers, spectral=False)
    for patch in D:
        for stage in patch:
            if isinstance(stage, nn.Sequential) and len(stage) == 3:
                stage[1] = nn.Identity()  # instance norm sees the whole map; the field is that of the convolutions
    x = torch.randn(1, 3, 96, 128, requires_grad=True)
    for features, read in zip(D(x), diagrams.read_discriminator(with_norms(D), 96, 128), strict=True):
        for feature, layer in zip(features, read[1:], strict=True):
            assert layer.size == tuple(feature.shape[-2:])
            h, w = layer.size
            (gradient,) = torch.autograd.grad(feature[0, 0, h // 2, w // 2], x, retain_graph=True)
            seen = gradient[0].abs().sum(0) > 0
            assert (int(seen.any(1).sum()), int(seen.any(0).sum())) == (layer.field, layer.field)


def with_norms(D: MultiscaleDiscriminator) -> MultiscaleDiscriminator:
    first, last = D[0][0][0], len(D[0]) - 1
    return MultiscaleDiscriminator(first.in_channels, first.out_channels, last, len(D), spectral=False)


def test_the_paper_s_patches():
    with torch.device("meta"):
        D = MultiscaleDiscriminator(11)
    one, two = diagrams.read_discriminator(D, 256, 256)
    assert (one[-1].field, two[-1].field, one[-1].size, two[0].size) == (70, 141, (35, 35), (128, 128))
    assert [layer.traits for layer in one[1:3]] == [("LReLU 0.2",), ("SN", "IN", "LReLU 0.2")]


def test_rows_add_up_to_the_modules():
    networks = built(unused_channels=4)
    parts, D = diagrams.read(networks), diagrams.read_discriminator(networks.D, 32, 32)
    unused = diagrams.read_unused(networks.G)
    assert sum(layer.parameters for layer in parts["encoder"]) == count(networks.E)
    assert sum(layer.parameters for layer in [*parts["decoder"], *unused]) == count(networks.G)
    assert sum(layer.parameters for scale in D for layer in scale) == count(networks.D)
    assert unused[0].parameters == count(networks.G.unused) and diagrams.read_unused(built().G) == []
    assert f"{count(networks.G):,}" in words(generator(networks)) and f"{count(networks.E):,}" in words(encoder(networks))
    assert "built and never called" in words(generator(networks))


def test_a_changed_schedule_changes_the_numbers():
    s = built().schedule
    blocks = len(s.groups)
    few = built(groups=(2,) * blocks, shared_groups=(4,) * blocks, affine_groups=(2,) * blocks, hidden=(24,) * blocks)
    assert words(generator(built())).count("4 / 2") == 0
    said = words(generator(few))
    assert (said.count("4 / 2"), said.count("24")) == (blocks, blocks)
    assert said.count("2") == blocks + 1  # and fc's, which follows the first block's
    wide = built(encoder_channels=(24, 40, 48))
    assert {"24", "40", "48"} <= set(words(encoder(wide))) and not {"40", "48"} & set(words(encoder(built())))


def test_norms_strides_and_kernels_are_read():
    plain = words(encoder(built()))
    assert "3×3, stride 2, LReLU 0.2" in plain and not any("IN" in text for text in plain)
    normed = words(encoder(built(encoder_norm="instance", code="map")))
    assert "3×3, stride 2, SN, IN, LReLU 0.2" in normed
    assert "3×3, stride 2, IN, LReLU 0.2" in words(encoder(built(encoder_norm="instance", spectral=False)))
    assert "3×3, mean over the class" in plain and "3×3" in normed
    assert any(text.startswith("↑2, 3×3, 3×3, GN, SN") for text in words(generator(built(norm="group"))))
    changed = built()
    changed.E.layers[0].stride = (1, 1)
    assert any(text.startswith("3×3, LReLU") for text in words(encoder(changed)))


def test_side_by_side_needs_the_same_operations():
    both = {"plain": built(), "normed": built(encoder_norm="instance")}
    with pytest.raises(SmisError, match=r"normed has .*'3×3, stride 2, SN, IN, LReLU 0.2'.* figures of their own"):
        diagrams.encoders(both, dict.fromkeys(both, mannequins.CLASSES))


@pytest.mark.parametrize("preset", ["smoke", "demo"])
def test_nothing_is_cut_off_or_collides(preset):
    networks = built(preset, unused_channels=4)
    two = {"one": networks, "another network": networks}
    figures = [generator(networks), diagrams.generators(two, dict.fromkeys(two, mannequins.CLASSES)), encoder(networks)]
    figures.append(diagrams.discriminator(networks.D, networks.schedule.height, networks.schedule.width))
    for fig in figures:
        renderer = fig.canvas.get_renderer()
        boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in fig.axes[0].texts if t.get_text()]
        assert not [(a, b) for (a, box), (b, other) in combinations(boxes, 2) if box.overlaps(other)]
        outside = [t for t, box in boxes if box.x0 < -1 or box.x1 > fig.bbox.x1 + 1 or box.y0 < 0 or box.y1 > fig.bbox.y1]
        assert not outside


@pytest.mark.parametrize("model", ["bicyclegan", "pix2pixhd", "spade"])
def test_baselines_discriminators_are_drawn(model):
    D = presets.build(model, preset="smoke").D
    D = D["vae"] if isinstance(D, nn.ModuleDict) else D
    said = words(diagrams.discriminator(D, 32, 32, torch.zeros(3, 32, 32)))
    assert said.count(f"{count(D[0]):,}") == len(D)
    assert any("SN" in text for text in said) == (model != "bicyclegan")
