"""BigGAN as S3GAN has it: exactly the printed layers, labels that may be soft, codes whose parts have their own block."""

import csv
import dataclasses
import re
from pathlib import Path

import pytest
import torch

from smislib.errors import SmisError
from smislib.models import biggan

PAPER = biggan.Schedule(
    C=1000, height=128, width=128, channels=tuple(96 * m for m in (16, 16, 8, 4, 2, 1)),
    d_channels=tuple(96 * m for m in (1, 2, 4, 8, 16, 16)),
)  # fmt: skip
SMALL = biggan.Schedule(
    C=5, height=32, width=32, channels=(16, 16, 16, 8), d_channels=(8, 16, 16, 16), attention=16, z_part=4, embedding=6
)

# The paper's names of layers (tables 10 and 11) -> ours
OURS = (
    (r"generator/embed_y/kernel", "G.embed.weight"),
    (r"generator/fc_noise/", "G.fc."),
    (r"generator/final_norm/", "G."),
    (r"generator/final_conv/", "G.to_rgb."),
    (r"(\w)enerator/B(\d)/bn(\d)/condition/(\w+)/", lambda m: f"G.blocks.{int(m[2]) - 1}.norm_{m[3]}.{m[4]}."),
    (r"generator/B(\d)/", lambda m: f"G.blocks.{int(m[1]) - 1}."),
    (r"discriminator/B(\d)/", lambda m: f"D.blocks.{int(m[1]) - 1}."),
    (r"(up|down)_conv_shortcut/", "shortcut."),
    (r"(up|same|down)_conv(\d)/", r"conv_\2."),
    (r"generator/non_local_block/", "G.attention."),
    (r"discriminator/non_local_block/", "D.attention."),
    (r"conv2d_(\w+)/", r"\1."),
    (r"discriminator/final_fc/", "D.fc."),
    (r"discriminator_projection/", "D.projection."),
    (r"kernel$", "weight"),
)


def ours(name: str) -> str:
    for pattern, replacement in OURS:
        name = re.sub(pattern, replacement, name)
    return name


def shape(text: str) -> tuple[int, ...]:
    """HWIO, or (in, out), as torch has it."""
    sizes = [] if text == "scalar" else [int(n) for n in text.split("x")]
    return (*sizes[-1:-3:-1], *sizes[:-2]) if len(sizes) > 1 else tuple(sizes)


def test_every_layer_is_the_printed_one():
    with torch.device("meta"):
        networks = biggan.Networks(PAPER)
    found = {k.replace("parametrizations.weight.original", "weight"): p for k, p in networks.named_parameters()}
    rows = list(csv.DictReader((Path(__file__).parent / "data" / "s3gan_layers.csv").open()))
    assert len(rows) == 42 + 62
    for row in rows:
        assert tuple(found.pop(ours(row["name"])).shape) == shape(row["shape_hwio"]), row["name"]
    assert not found
    counts = [sum(p.numel() for p in player.parameters()) for player in (networks.G, networks.D)]
    assert counts == [70_433_988, 87_982_370]


@pytest.fixture(scope="module")
def small() -> biggan.Networks:
    torch.manual_seed(0)
    networks = biggan.Networks(SMALL)
    for attention in (networks.G.attention, networks.D.attention):
        torch.nn.init.constant_(attention.sigma, 0.5)
    return networks.double().eval().requires_grad_(False)


def inputs(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    y = torch.rand(n, SMALL.C, generator=rng, dtype=torch.float64).softmax(1)
    return y, torch.randn(n, *SMALL.z_shape, generator=rng, dtype=torch.float64)


def test_a_code_part_reaches_its_block_and_those_after_it(small):
    y, z = inputs(1)
    reached = {}
    for part in range(len(SMALL.channels)):
        grids = []
        hooks = [block.register_forward_hook(lambda m, i, out, grids=grids: grids.append(out)) for block in small.G.blocks]
        other = z.clone()
        other[:, 4 * part : 4 * part + 4] += 1
        for code in (z, other):
            small.G(y, code)
        for hook in hooks:
            hook.remove()
        n = len(small.G.blocks)
        reached[part] = [not torch.equal(a, b) for a, b in zip(grids[:n], grids[n:], strict=True)]
    assert reached == {0: [True] * 3, 1: [True] * 3, 2: [False, True, True], 3: [False, False, True]}


def test_a_soft_label_lies_between_its_classes(small):
    """The projection is linear in y, so a mixture of classes is judged by the mixture of their projections."""
    _, z = inputs(2)
    image = small.G(torch.eye(5, dtype=torch.float64)[:2], z)
    a, b = (torch.eye(5, dtype=torch.float64)[[c, c]] for c in (0, 3))
    logits = [small.D(image, y)[0] for y in (a, b, 0.25 * a + 0.75 * b)]
    torch.testing.assert_close(logits[2], 0.25 * logits[0] + 0.75 * logits[1])
    assert not torch.allclose(logits[0], logits[1])


def test_attention_is_the_softmax_over_the_coarser_grid(small):
    """Against the definition, pixel by pixel."""
    block, x = small.D.attention, torch.randn(1, 8, 4, 4, dtype=torch.float64)
    theta, phi, g = (conv(x) for conv in (block.theta, block.phi, block.g))
    keys, values = (torch.nn.functional.max_pool2d(v, 2).flatten(2)[0] for v in (phi, g))
    expected = torch.zeros(1, 4, 4, 4, dtype=torch.float64)
    for i in range(4):
        for j in range(4):
            weights = torch.softmax(torch.stack([theta[0, :, i, j] @ key for key in keys.T]), 0)
            expected[0, :, i, j] = values @ weights
    torch.testing.assert_close(block(x), x + 0.5 * block.attn_g(expected))


def test_a_representation_is_the_sum_over_the_grid_of_what_the_blocks_leave(small):
    """Of an image, whose darks the first block sees too: it is written out, then come the attention and the other blocks."""
    D, image = small.D, torch.randn(2, 3, 32, 32, dtype=torch.float64)
    first, *others = D.blocks
    h = first.conv_2(first.conv_1(image).relu()) + first.shortcut(image)
    x = D.attention(torch.nn.functional.avg_pool2d(h, 2))  # of 16 rows
    for block in others:
        x = block(x)
    torch.testing.assert_close(D.represent(image), x.clamp(min=0).flatten(2).sum(2))


def test_a_class_scales_around_one_and_shifts_around_zero():
    norm = biggan.ConditionalNorm(3, 4).double().eval()
    x, condition = torch.randn(2, 3, 5, 5, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    scale, shift = (layer(condition)[..., None, None] for layer in (norm.gamma, norm.beta))
    torch.testing.assert_close(norm(x, condition), x / (1 + 1e-5) ** 0.5 * (1 + scale) + shift)
    torch.testing.assert_close(norm(x, 0 * condition), x / (1 + 1e-5) ** 0.5)


def test_the_heads_share_the_representation():
    networks = biggan.Networks(dataclasses.replace(SMALL, rotations=True, classifier=True)).eval()
    logits, h = networks.D(torch.zeros(2, 3, 32, 32), torch.eye(5)[:2])
    assert logits.shape == (2,)
    assert networks.D.rotation(h).shape == (2, 4)
    assert networks.D.classifier(h).shape == (2, 5)
    assert biggan.Networks(SMALL).D.rotation is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 48, "width": 48}, "image size 48x48 does not fit the generator: its 3 blocks .* make 32x32"),
        ({"width": 64}, "image size 32x64 does not fit"),
        ({"d_same": 0}, "does not fit the discriminator"),
        ({"attention": 12}, r"attention=12: .* on a grid of \[8, 16\]"),
        ({"init": "ortogonal"}, "orthogonal"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(SmisError, match=message):
        dataclasses.replace(SMALL, **changes)


def test_a_generator_says_what_it_takes(small):
    with pytest.raises(SmisError, match=r"found y \(1, 4\) and z \(1, 16\); expected \(N,5\) and \(N,16\)"):
        small.G(torch.zeros(1, 4), torch.zeros(1, 16))
