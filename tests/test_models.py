"""What the schedules promise: classes that stay apart, and exactly the released networks at paper width."""

import copy
import dataclasses
import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import settings as configured
from hypothesis import strategies as st
from scipy import ndimage
from torch import nn

from smislib import presets, runs, schedules
from smislib.data import synthetic
from smislib.errors import SmisError
from smislib.layers import ParamFreeBatchNorm
from smislib.metrics import backbones
from smislib.models import MODELS
from smislib.models.discriminators import MultiscaleDiscriminator, PatchDiscriminator
from smislib.models.groupdnet import Encoder, Generator, Networks, Schedule
from smislib.sample import class_slice

C, SIZE = 8, 32
OFFICIAL = json.loads((Path(__file__).parent / "data" / "smis_shapes.json").read_text())


def schedule(model: str, **changes) -> Schedule:
    return dataclasses.replace(schedules.smis_schedule(model, "smoke", SIZE, SIZE, C), **changes)


def built(network: type[nn.Module], s: Schedule, seed: int = 0) -> nn.Module:
    """A network whose every weight and running statistic is its own, so that nothing is equal, or 0, by chance."""
    rng = torch.Generator().manual_seed(seed)
    net = network(s).double()
    for p in net.parameters():
        p.data.add_(0.1 * torch.randn(p.shape, generator=rng, dtype=p.dtype))
    for name, b in net.named_buffers():
        if "running" in name:
            b.copy_(0.5 + torch.rand(b.shape, generator=rng, dtype=b.dtype))
    return net


def scene(n: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels: blocks of 8x8 pixels, every class somewhere."""
    rng = torch.Generator().manual_seed(seed)
    blocks = torch.stack([torch.randperm(16, generator=rng) % C for _ in range(n)]).view(n, 4, 4)
    label_map = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels = nn.functional.one_hot(label_map, C).movedim(-1, 1).double()
    return torch.rand(n, 3, SIZE, SIZE, generator=rng).double() * 2 - 1, labels


def code(s: Schedule, n: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, *s.z_shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fresh(net: nn.Module) -> nn.Module:
    """A copy: in training mode a forward pass moves running statistics and the vectors of the spectral norm."""
    return copy.deepcopy(net)


# --- what a change of one class's code reaches -------------------------------------------------------------------------


def reached(s: Schedule, c: int) -> list[torch.Tensor]:
    """Which channels of `Generator.features` z_c can reach, by the groups alone: of each feature a mask of its channels.

    A grouped convolution spreads a change over every group that it touches. Group boundaries are multiples of 1/groups of
    the channels, so the reach is kept on a grid that all of them divide.
    """
    fine = math.lcm(C, *s.groups, *s.channels, *(s.affine_groups if s.norm == "group" else ()))
    now, masks = torch.zeros(fine, dtype=torch.bool), []
    now.view(C, -1)[c] = True

    def spread(groups: int) -> None:
        by_group = now.view(groups, -1)
        by_group |= by_group.any(1, keepdim=True)

    spread(s.groups[0])
    masks.append(now.view(s.channels[0], -1).any(1))
    for i in range(len(s.channels)):
        if s.norm == "group":
            spread(s.affine_groups[i])
        spread(s.groups[i])
        masks.append(now.view(s.channels[i], -1).any(1))
    return masks


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("model", presets.ABLATION)
def test_a_change_of_one_code_reaches_its_own_channels_and_no_others(model, mode, norm):
    s = schedule(model, norm=norm, code="map")
    G = built(Generator, s).train(mode == "train").requires_grad_(False)
    labels, z = scene()[1], code(s)
    before = fresh(G).features(labels, z)
    for c in (0, 5):
        other = z.clone()
        own = slice(8 * c, 8 * c + 8)
        other[:, own] = code(s, seed=1)[:, own]
        for a, b, mask in zip(before, fresh(G).features(labels, other), reached(s, c), strict=True):
            changed = (a != b).any(0).flatten(1).any(1)
            assert torch.equal(changed, mask)


def test_what_each_variant_isolates():
    """The table in models/groupdnet.py, as numbers: of eight channel groups, those that z_0 reaches after fc and each block."""
    shares = {m: [float(mask.double().mean()) * C for mask in reached(schedule(m), 0)] for m in presets.ABLATION}
    apart, mixed = [1.0] * 5, [8.0] * 5
    assert shares["groupnet"] == shares["mulnet"] == shares["groupdec"] == apart
    assert shares["groupenc"] == shares["vspade"] == mixed
    assert shares["groupdnet"] == [1.0, 1.0, 1.0, 2.0, 8.0]


@pytest.mark.parametrize("model", ["groupdnet", "groupnet"])
def test_the_cross_class_gradient_is_exactly_zero(model):
    s = schedule(model)
    G, labels, z = built(Generator, s), scene()[1], code(s).requires_grad_()
    for depth, g in enumerate((s.groups[0], *s.groups)):
        if g < C:
            break
        G.features(labels, z)[depth].unflatten(1, (C, -1))[:, 3].square().sum().backward()
        strength = z.grad.unflatten(1, (C, -1)).abs().flatten(2).sum((0, 2))
        assert strength[3] > 0
        assert strength.sum() == strength[3]
        z.grad = None
    assert depth >= 3


def test_a_mulnet_pixel_depends_only_on_the_code_of_its_class():
    """Up to the receptive field of the plain convolutions at the end: two of `fusion`, and the output's."""
    s = schedule("mulnet")
    G, labels, z = built(Generator, s).eval().requires_grad_(False), scene(1)[1], code(s, 1)
    for c in range(C):
        other = z.clone()
        own = slice(8 * c, 8 * c + 8)
        other[:, own] += 1
        changed = (G(labels, z) != G(labels, other)).any(1)[0].numpy()
        square = ndimage.generate_binary_structure(2, 2)
        near = ndimage.binary_dilation(labels[0, c].numpy() > 0, square, iterations=s.fusion + 1)
        assert changed[labels[0, c].numpy() > 0].all()
        assert not changed[~near].any()
        assert not near.all()


# --- permuting classes together with their weights ---------------------------------------------------------------------


def permuted(blocks: torch.Tensor, order: list[int], dim: int) -> torch.Tensor:
    """The C class-major blocks of `blocks` along `dim`, in another order."""
    return blocks.unflatten(dim, (C, -1)).index_select(dim, torch.tensor(order)).flatten(dim, dim + 1)


def permute_classes(net: nn.Module, order: list[int]) -> nn.Module:
    """`net` with the weights of its classes in another order. Everything grouped by class moves, nothing else."""
    state = net.state_dict()
    for name, module in net.named_modules():
        keys = {key: value for key, value in state.items() if key.rpartition(".")[0] == name}
        if isinstance(module, nn.Conv2d):
            keys |= {key: value for key, value in state.items() if key.startswith(f"{name}.parametrizations.weight.")}
            if module.groups == C:
                moved = [key for key in keys if not key.endswith("_v")]  # _v is of one group's input
                state |= {key: permuted(state[key], order, 0) for key in moved}
            elif module.in_channels % C == 0 and not net.schedule.mask_features:  # the first plain convolution reads classes
                first = name in ("fusion.0", "to_rgb") and (name != "to_rgb" or not net.schedule.fusion)
                state |= {f"{name}.weight": permuted(state[f"{name}.weight"], order, 1)} if first else {}
        elif isinstance(module, ParamFreeBatchNorm):
            state |= {key: permuted(value, order, 0) for key, value in keys.items()}
    twin = type(net)(net.schedule).double().train(net.training)
    twin.load_state_dict(state)
    return twin


orders = st.permutations(range(C))


@configured(max_examples=6)
@given(order=orders, model=st.sampled_from(["groupnet", "mulnet", "groupdec"]), training=st.booleans())
def test_classes_may_be_permuted_with_their_weights_in_the_generator(order, model, training):
    s = schedule(model)
    G, labels, z = built(Generator, s).train(training), scene()[1], code(s)
    twin = permute_classes(G, order)
    swapped = permuted(labels, order, 1), permuted(z, order, 1)
    for a, b in zip(fresh(G).features(labels, z), fresh(twin).features(*swapped), strict=True):
        torch.testing.assert_close(permuted(a, order, 1), b, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(G(labels, z), twin(*swapped), atol=1e-9, rtol=1e-9)


@configured(max_examples=6)
@given(order=orders, class_view=st.sampled_from(["mask", "crop"]), code_=st.sampled_from(["map", "vector"]))
def test_classes_may_be_permuted_with_their_weights_in_the_encoder(order, class_view, code_):
    s = schedule("groupdnet", class_view=class_view, code=code_)
    E, (image, labels) = built(Encoder, s).eval(), scene()
    twin = permute_classes(E, order).eval()
    for a, b in zip(E(image, labels), twin(image, permuted(labels, order, 1)), strict=True):
        torch.testing.assert_close(permuted(a, order, 1), b, atol=1e-9, rtol=1e-9)


# --- the encoder ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder_norm", ["instance", "none"])
@pytest.mark.parametrize("code_", ["map", "vector"])
@pytest.mark.parametrize("class_view", ["mask", "crop", "whole"])
def test_a_grouped_encoder_reads_a_class_from_its_own_pixels(class_view, code_, encoder_norm):
    groups = 1 if class_view == "whole" else C
    s = schedule("groupdnet", class_view=class_view, code=code_, encoder_norm=encoder_norm, encoder_groups=groups)
    E, (image, labels) = built(Encoder, s).eval().requires_grad_(False), scene()
    c = 2
    other = image + labels[:, [c]] * torch.rand(image.shape, generator=torch.Generator().manual_seed(3))
    for a, b in zip(E(image, labels), E(other, labels), strict=True):
        assert a.shape == (2, *s.z_shape)
        changed = (a != b).unflatten(1, (C, -1)).flatten(2).any(2)
        assert torch.equal(changed, torch.arange(C).eq(c).expand(2, C)) or (class_view == "whole" and changed.all())


@pytest.mark.parametrize("code_", ["map", "vector"])
def test_a_cropped_class_has_the_same_code_wherever_it_stands(code_):
    s = schedule("groupdnet", class_view="crop", code=code_)
    E, (image, _) = built(Encoder, s).eval(), scene()
    label_map = torch.zeros(image.shape[0], *image.shape[2:], dtype=torch.int64)
    label_map[:, 3:10, 2:13] = 2
    labels = F.one_hot(label_map, C).movedim(-1, 1).to(image)
    moved = image.roll((11, 7), (2, 3)), labels.roll((11, 7), (2, 3))
    for a, b in zip(E(image, labels), E(*moved), strict=True):
        own = slice(2 * s.z_channels, 3 * s.z_channels)
        torch.testing.assert_close(a[:, own], b[:, own])
        assert not torch.equal(a[:, : s.z_channels], b[:, : s.z_channels])  # the background's crop is another


# --- sizes and names --------------------------------------------------------------------------------------------------


@configured(max_examples=30)
@given(classes=st.integers(1, 200), blocks=st.integers(3, 9))
def test_groups_fall_from_the_number_of_classes_to_one(classes, blocks):
    groups = schedules.falling_groups(classes, blocks)
    assert len(groups) == blocks
    assert groups[0] == groups[1] == classes
    assert groups[-1] == 1
    assert all(classes % g == 0 for g in groups)
    assert all(a >= b for a, b in pairwise(groups))


def test_groups_of_the_released_network():
    assert schedules.falling_groups(8, 7) == (8, 8, 4, 4, 2, 2, 1)
    with pytest.raises(SmisError, match="at least 3 blocks"):
        schedules.falling_groups(8, 2)


def test_an_encoder_without_norms_starts_with_little_noise():
    """And the one of the paper, with norms, with that of N(0,1)."""
    for norm, logvar in (("none", -3.0), ("instance", 0.0)):
        bias = Networks(schedule("groupdnet", encoder_norm=norm)).E.logvar.bias
        assert torch.equal(bias, torch.full_like(bias, logvar))


def test_widths_follow_the_number_of_classes():
    def of(model: str, preset: str, classes: int) -> Schedule:
        return schedules.smis_schedule(model, preset, 64, 64, classes)

    assert of("groupdnet", "demo", 8).channels == (128, 128, 64, 32, 16)
    assert of("groupdnet", "demo", 4).channels == (64, 64, 32, 16, 8)
    assert of("groupdnet", "demo", 16).channels == (128, 128, 64, 32, 16)  # more than eight have half as many each
    assert of("groupdnet", "smoke", 16).channels == (64, 64, 32, 16)  # but not at smoke
    for preset in ("smoke", "demo"):
        many, few = of("groupnet", preset, 20), of("groupnet", preset, 8)
        assert all(width >= 4 * 20 and width % 20 == 0 for width in many.channels)  # fewer could not hold a colour
        assert few.fusion_channels == of("groupdnet", preset, 8).channels[-1]  # fused to what GroupDNet ends with
        assert few.channels[-1] == 2 * few.fusion_channels


@configured(max_examples=8)
@given(
    model=st.sampled_from(presets.ABLATION),
    classes=st.integers(1, 6),
    height=st.sampled_from([16, 24, 32]),
    width=st.sampled_from([16, 40]),
    n=st.integers(1, 2),
)
def test_every_variant_takes_any_number_of_classes_and_any_multiple_of_the_stride(model, classes, height, width, n):
    s = schedules.smis_schedule(model, "smoke", height, width, classes)
    networks = Networks(s)
    label_map = torch.randint(classes, (n, height, width))
    labels = nn.functional.one_hot(label_map, classes).movedim(-1, 1).float()
    mu, logvar = networks.E(torch.rand(n, 3, height, width), labels)
    assert mu.shape == logvar.shape == (n, *s.z_shape)
    fake = networks.G(labels, mu)
    assert fake.shape == (n, 3, height, width)
    assert fake.abs().max() <= 1
    scales = networks.D(torch.cat([labels, fake], 1))
    assert len(scales) == s.d_scales
    assert all(len(features) == s.d_layers + 1 and features[-1].shape[:2] == (n, 1) for features in scales)


@configured(max_examples=10)
@given(size=st.integers(1, 80).filter(lambda n: n % 8))
def test_a_size_the_network_cannot_take_names_the_multiple(size):
    for height, width in ((size, 32), (32, size)):
        with pytest.raises(SmisError, match=f"{height}x{width}.*multiples of 8"):
            schedules.smis_schedule("groupdnet", "smoke", height, width, C)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 8, "width": 8, "encoder_norm": "instance"}, "smallest size is 16x8"),
        ({"groups": (8, 8, 3, 1)}, "block 2: 32 -> 16 channels do not divide into 3 groups"),
        ({"groups": (8, 8, 4)}, "groups has 3 entries for 4 blocks"),
        ({"hidden": (8, 8, 9, 8)}, "block 2's CG-Norm: 8 -> 9 channels do not divide into 4 groups"),
        ({"encoder_channels": (16, 32)}, "one encoder width per upsampling"),
        ({"encoder_channels": (16, 33, 32)}, "encoder: 24 -> 16 -> 33"),
        ({"class_view": "croped"}, "Did you mean 'crop'"),
        ({"code": "vectr"}, "Did you mean 'vector'"),
        ({"norm": "bach"}, "Did you mean 'batch'"),
        ({"groups": (8, 8, 8, 1)}, r"affine_groups=\[8, 8, 4, 1\] is coarser than groups=\[8, 8, 8, 1\].*network.shared_groups"),
        ({"shared_groups": (8, 1, 4, 1)}, r"shared_groups=\[8, 1, 4, 1\] is coarser"),
    ],
)
def test_a_schedule_that_cannot_be_built_says_why(changes, message):
    with pytest.raises(SmisError, match=message):
        schedule("groupdnet", **changes)


def test_labels_of_another_shape_are_refused():
    s = schedule("groupdnet")
    G, labels = Generator(s), torch.zeros(1, C, 16, 16)
    with pytest.raises(SmisError, match=r"labels are \(8, 16, 16\), this generator takes \(8, 32, 32\)"):
        G(labels, torch.zeros(1, *s.z_shape))
    with pytest.raises(SmisError, match=r"class 8 is outside \[0, 8\)"):
        class_slice(G, C)


def test_unknown_names_are_answered_with_the_nearest():
    for call, nearest in (
        (lambda: presets.experiment("groupdnt"), "groupdnet"),
        (lambda: presets.experiment("groupdnet", "manequins"), "mannequins"),
        (lambda: presets.experiment("groupdnet", "mannequins", "smok"), "smoke"),
        (lambda: presets.experiment("groupdnet", preset="smoke", assignments={"train.step": "3"}), "steps"),
        (lambda: presets.experiment("groupdnet", preset="smoke", assignments={"data.hight": "3"}), "height"),
    ):
        with pytest.raises(SmisError, match=f"Did you mean '{nearest}'"):
            call()


def test_what_names_an_experiment_cannot_be_assigned():
    for key in ("model", "preset", "seed"):
        with pytest.raises(SmisError, match=f"{key} cannot be assigned"):
            presets.experiment("groupdnet", preset="smoke", assignments={key: "1"})


# --- the released networks --------------------------------------------------------------------------------------------


def cityscapes() -> Schedule:
    return schedules.smis_schedule("groupdnet", "paper", 256, 512, 35, "cityscapes")


def ade20k() -> Schedule:
    return schedules.smis_schedule("groupdnet", "paper", 256, 256, 151, "ade20k")


def deepfashion() -> Schedule:
    return presets.experiment("groupdnet", "mannequins", "paper").network


@pytest.mark.parametrize(
    ("name", "make", "counts"),
    [
        ("deepfashion", deepfashion, (96_324_451, 12_835_712, 5_544_066)),
        ("cityscapes", cityscapes, (76_501_358, 5_768_210, 5_601_410)),
        ("ade20k", ade20k, (68_326_847, 4_411_012, 5_836_930)),
    ],
)
def test_the_networks_at_paper_width_are_the_released_ones(name, make, counts):
    s = make()
    with torch.device("meta"):
        networks = Networks(s)
    for player, count in zip("GED", counts, strict=True):
        shapes = sorted(list(p.shape) for p in getattr(networks, player).parameters())
        assert sum(math.prod(shape) for shape in shapes) == count
        assert shapes == OFFICIAL[f"smis/{name}/{player}"]
    assert networks.E(torch.empty(1, 3, s.height, s.width, device="meta"), labels := torch.empty(
        1, s.label_channels, s.height, s.width, device="meta"
    ))[0].shape == (1, *s.z_shape)  # fmt: skip
    assert networks.G(labels, torch.empty(1, *s.z_shape, device="meta")).shape == (1, 3, s.height, s.width)
    assert s.z_shape == (8 * s.C, 4, 8 if name == "cityscapes" else 4)


@pytest.mark.parametrize("make", [deepfashion, cityscapes, ade20k])
@pytest.mark.parametrize("model", presets.ABLATION)
def test_every_ablation_has_a_schedule_on_every_data_set_of_the_paper(make, model):
    released = make()
    name = "" if make is deepfashion else make.__name__
    s = schedules.smis_schedule(model, "paper", released.height, released.width, released.C, name)  # it checks itself
    assert s.label_channels == released.label_channels
    assert s.encoder_channels == released.encoder_channels
    assert all(released_ <= own < released_ + s.C for released_, own in zip(released.channels, s.channels, strict=True))
    assert s.unused_channels == (released.unused_channels if model == "groupdnet" else 0)


def test_the_unused_block_changes_no_image_and_gets_no_gradient():
    with_it, without = (Generator(schedule("groupdnet", unused_channels=n)) for n in (4, 0))
    without.load_state_dict(with_it.state_dict(), strict=False)
    labels = scene()[1]
    z = torch.randn(2, *without.schedule.z_shape)
    fake = with_it.eval()(labels.float(), z)
    assert torch.equal(fake, without.eval()(labels.float(), z))
    fake.sum().backward()
    assert all(p.grad is None for p in with_it.unused.parameters())


def test_the_discriminator_sees_half_the_resolution_at_its_second_scale():
    D, x = MultiscaleDiscriminator(4, width=4, layers=3).eval(), torch.randn(2, 4, 32, 32)
    outputs = D(x)
    assert [tuple(f.shape[1:]) for f in outputs[0]] == [(4, 17, 17), (8, 9, 9), (16, 10, 10), (1, 11, 11)]
    half = nn.functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
    for found, expected in zip(outputs[1], D[1](half), strict=True):
        torch.testing.assert_close(found, expected)
    assert [f.shape[1] for f in PatchDiscriminator(4, width=256, layers=4)(x)] == [256, 512, 512, 512, 1]  # 512 at most


def test_each_further_scale_is_half_of_the_one_before():
    D, x = MultiscaleDiscriminator(4, width=4, layers=2, scales=3).eval(), torch.randn(2, 4, 32, 32)
    for scale, found in enumerate(D(x)):
        for a, b in zip(found, D[scale](x), strict=True):
            torch.testing.assert_close(a, b)
        x = nn.functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)


def test_a_discriminator_may_halve_as_often_as_it_says():
    with torch.device("meta"):
        assert len(MultiscaleDiscriminator(4, width=1, layers=1, scales=16)) == len(PatchDiscriminator(4, 1, layers=16)) - 1 == 16
        for beyond in (0, 17):
            with pytest.raises(SmisError, match=f"from 1 to 16, .* found {beyond}"):
                MultiscaleDiscriminator(4, width=1, layers=1, scales=beyond)
            with pytest.raises(SmisError, match=f"from 1 to 16, .* found {beyond}"):
                PatchDiscriminator(4, 1, layers=beyond)


# --- building ---------------------------------------------------------------------------------------------------------


def test_an_experiment_has_the_same_weights_every_time_and_leaves_the_global_noise_alone():
    def weights(seed: int) -> torch.Tensor:
        return nn.utils.parameters_to_vector(runs.build(presets.experiment("groupdnet", preset="smoke", seed=seed)).parameters())

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = weights(0)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


PAIRED = ("groupdnet", "spade", "spade_concat", "spade_vae", "pix2pixhd", "bicyclegan", "dscgan", "oasis", "oasis_patch")


def at_smoke(model: str, **changes) -> nn.Module:
    """The networks of a model whose schedule is changed in the fields that it has, with the same seed."""
    s = presets.experiment(model, "mannequins", "smoke").network
    torch.manual_seed(0)
    return MODELS[model].networks(dataclasses.replace(s, **{key: value for key, value in changes.items() if hasattr(s, key)}))


@pytest.mark.parametrize("model", PAIRED)
def test_the_initial_weights_have_the_gain_of_the_schedule(model):
    """Of G and D: an encoder without norms has another initialisation."""
    once, twice = (at_smoke(model, init_gain=gain) for gain in (0.02, 0.04))
    for player in "GD":
        pairs = zip(getattr(once, player).parameters(), getattr(twice, player).parameters(), strict=True)
        weights = [(a, b) for a, b in pairs if a.dim() > 1]
        assert len(weights) > 4
        for a, b in weights:
            torch.testing.assert_close(2 * a, b)


@pytest.mark.parametrize("model", PAIRED)
def test_discriminators_have_the_size_and_all_players_the_spectral_norm_of_the_schedule(model):
    """BicycleGAN and DSCGAN have none; OASIS's U-Net is asked for by itself."""
    never = model in ("bicyclegan", "dscgan")
    for changes in ({"spectral": False, "d_spectral": True}, {"spectral": True, "d_spectral": False}):
        nets = at_smoke(model, d_scales=3, d_layers=2, encoder_norm="instance", **changes)
        players = {name: getattr(nets, name) for name in "GED" if getattr(nets, name)}
        wrapped = {name: any(hasattr(m, "parametrizations") for m in player.modules()) for name, player in players.items()}
        assert wrapped == dict.fromkeys(wrapped, changes["spectral"] and not never) | (
            {"D": changes["d_spectral"]} if model == "oasis" else {}
        )
        if model != "oasis":
            every = nets.D.values() if model == "bicyclegan" else [nets.D]
            scales = 2 if model == "oasis_patch" else 3
            assert all([len(patch) for patch in D] == [2 + 1] * scales for D in every)


def test_untrained_weights_have_the_spectral_norm_one():
    networks = presets.build("groupdnet", preset="smoke").eval()
    wrapped = [m for m in networks.modules() if hasattr(m, "parametrizations")]
    norms = torch.stack([torch.linalg.matrix_norm(m.weight.detach().flatten(1), ord=2) for m in wrapped])
    assert len(wrapped) > 5
    assert float(norms.min()) > 0.99
    assert float(norms.max()) < 1.25  # 15 power iterations are near, not there


def test_an_experiment_says_which_shipped_parts_made_it(monkeypatch):
    demo = presets.experiment("groupdnet")
    assert demo.made_with[0] == f"mannequins {synthetic.RENDERERS['mannequins'].version}"
    assert demo.made_with[1] == f"perceptual {backbones.load('perceptual').weight_hash}"
    assert presets.experiment("groupdnet", assignments={"loss.backbone": "none"}).made_with == demo.made_with[:1]
    monkeypatch.setattr(backbones, "file_hash", lambda path: "another")
    assert presets.experiment("groupdnet").hash != demo.hash


def test_every_model_of_the_registry_can_be_built_at_smoke():
    for model in MODELS:
        networks = presets.build(model, "tokens" if MODELS[model].whole else "mannequins", "smoke")
        assert isinstance(networks.schedule, MODELS[model].schedule)
