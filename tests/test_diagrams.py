"""What a diagram says is what the network is: change the schedule, and the drawing changes."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pytest
import torch

from smislib import diagrams, presets
from smislib.data import mannequins
from smislib.models.groupdnet import Networks


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def schedule(model: str = "groupdnet", **changes):
    return replace(presets.experiment(model, preset="smoke").network, spectral=False, **changes)


def words(fig) -> list[str]:
    """Every text of a figure."""
    return [text.get_text() for ax in fig.axes for text in ax.texts]


def draw(networks: Networks):
    size = networks.schedule.height
    label_map = torch.arange(size * size).view(size, size) % len(mannequins.CLASSES)
    return diagrams.architecture(networks, mannequins.CLASSES, torch.zeros(3, size, size), label_map)


def test_layers_are_those_of_the_modules():
    s = schedule()
    layers = diagrams.read(Networks(s))
    blocks = [layer for layer in layers["decoder"] if layer.kind == "block"]
    assert tuple(b.out_channels for b in blocks) == s.channels
    assert tuple(b.groups for b in blocks) == s.groups
    assert [b.size for b in blocks] == [(s.grid[0] * 2**i, s.grid[1] * 2**i) for i in range(len(blocks))]
    convs, code = layers["encoder"][:-1], layers["encoder"][-1]
    assert tuple(la.out_channels for la in convs) == s.encoder_channels
    assert {la.groups for la in convs} == {s.encoder_groups} and {la.stride for la in convs} == {2}
    assert (code.out_channels, *code.size) == s.z_shape
    assert layers["decoder"][-1].out_channels == 3 and layers["decoder"][-1].size == (s.height, s.width)


def test_reading_leaves_the_network_as_it_was():
    networks = Networks(schedule()).train()
    diagrams.read(networks)
    assert networks.training and all(p.device.type == "cpu" for p in networks.parameters())
    assert not any(module._forward_hooks for module in networks.modules())


def test_a_changed_schedule_changes_the_drawing():
    before = words(draw(Networks(schedule())))
    groups = tuple(2 for _ in schedule().groups)
    after = words(draw(Networks(schedule(groups=groups, shared_groups=groups, affine_groups=groups))))
    assert before.count("8") > after.count("8")  # the encoder keeps its eight groups, the decoder does not
    assert any("g = 2" in text for text in after) and not any("g = 8" in text for text in after)


def test_the_block_and_its_norm_are_described_by_their_convolutions():
    networks = Networks(schedule())
    i, block = next((i, b) for i, b in enumerate(networks.G.blocks) if b.shortcut is not None)
    said = words(draw(networks))
    assert any(f"block {i + 1}" in text for text in said)
    assert diagrams.describe(block.shortcut) in said
    assert any(diagrams.describe(block.conv_1) in text for text in said)
    assert any(diagrams.describe(block.norm_0.shared) in text for text in said)


def test_side_by_side_draws_a_box_for_each_group_and_mulnet_s_masks():
    networks = {m: Networks(schedule(m)) for m in ("mulnet", "groupnet", "groupdnet")}
    fig = diagrams.side_by_side(networks, mannequins.CLASSES)
    for ax, n in zip(fig.axes, networks.values(), strict=True):
        layers = [layer for part in diagrams.read(n).values() for layer in part]
        assert len([p for p in ax.patches if isinstance(p, plt.Rectangle)]) == sum(layer.groups for layer in layers)
        assert any("masks" in t.get_text() for t in ax.texts) == n.schedule.mask_features


def test_networks_without_numbers_can_be_drawn():
    with torch.device("meta"):
        networks = Networks(schedule())
    assert draw(networks).axes
