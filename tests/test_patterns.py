"""gamma and beta of each neighbourhood once, and a folded generator: numbers and gradients are those of the plain layers."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.multiprocessing.reductions import StorageWeakRef

from smislib import folded, patterns, presets
from smislib.layers import CGBlock, CGNorm, ParamFreeBatchNorm
from smislib.models import groupdnet, spade
from smislib.sample import generate, generator

C = 6


@pytest.fixture(scope="module", autouse=True)
def always():
    """However many neighbourhoods there are, they are used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "SHARE", 1.0)
        yield


def blocks(*shape: int, side: int = 4, classes: int = C) -> torch.Tensor:
    """Label maps of squares, one-hot, some pixels without a class."""
    n, h, w = shape
    coarse = torch.randint(-1, classes, (n, -(-h // side), -(-w // side)), generator=generator("maps", *shape))
    label_map = coarse.repeat_interleave(side, 1).repeat_interleave(side, 2)[:, :h, :w]
    return F.one_hot(label_map + 1, classes + 1)[..., 1:].permute(0, 3, 1, 2).float()


def cg_norm(channels: int = 12, labels: int = C, shared: int = 2, affine: int = 3, norm: str = "batch") -> CGNorm:
    torch.manual_seed(0)
    made = CGNorm(channels, labels, hidden=12, shared_groups=shared, affine_groups=affine, norm=norm).eval()
    if norm == "batch":
        made.norm.running_mean.normal_()
        made.norm.running_var.uniform_(0.5, 2)
    return made


@settings(max_examples=25)
@given(n=st.integers(1, 3), h=st.integers(3, 21), w=st.integers(3, 21), side=st.integers(1, 9), affine=st.sampled_from([1, 3, 6]))
def test_modulation_is_that_of_the_convolutions(n, h, w, side, affine):
    labels, norm = blocks(n, h, w, side=side), cg_norm(affine=affine)
    found = patterns.find(labels, C)
    x = torch.randn(n, 12, h, w, generator=generator("x"))
    torch.testing.assert_close(norm(x, found), norm(x, labels), atol=1e-5, rtol=1e-5)


def test_every_pixel_has_the_neighbourhood_that_it_has():
    labels = blocks(2, 20, 24)
    found = patterns.find(labels, C)
    padded = F.pad(labels, (2, 2, 2, 2), value=-1.0)
    around = F.unfold(padded, 5).transpose(1, 2).reshape(-1, C * 25)
    assert len(around.unique(dim=0)) == len(found.near)
    order = found.where.flatten()
    for k in range(len(found.near)):
        assert len(around[order == k].unique(dim=0)) == 1


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("slope", [1.0, 0.2])
@pytest.mark.parametrize("norm", ["batch", "group", "instance", "unsynced"])
def test_gradients_are_those_of_the_convolutions(norm, slope, training):
    labels, ours = blocks(4, 24, 16), cg_norm(norm=norm).train(training)
    dense = copy.deepcopy(ours)
    x = 3 + torch.randn(4, 12, 24, 16, generator=generator("x"))
    inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
    weight = torch.randn(x.shape, generator=generator("weight"))
    for layer, given_x, condition in ((ours, inputs[0], patterns.find(labels, C)), (dense, inputs[1], labels)):
        (layer(given_x, condition, slope) * weight).sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, atol=1e-4, rtol=1e-4)
    for (name, a), (_, b) in zip(ours.named_parameters(), dense.named_parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=2e-3, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
    for (name, a), (_, b) in zip(ours.named_buffers(), dense.named_buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_gradients_of_several_codes_with_one_label_map_are_those_of_the_convolutions(training, frozen):
    labels, ours = blocks(1, 24, 16), cg_norm().train(training).requires_grad_(not frozen)
    dense, weight = copy.deepcopy(ours), torch.randn(3, 12, 24, 16, generator=generator("weight"))
    inputs = [torch.randn(3, 12, 24, 16, generator=generator("x")).requires_grad_() for _ in range(2)]
    for layer, x, condition in ((ours, inputs[0], patterns.find(labels, C)), (dense, inputs[1], labels)):
        (layer(x, condition, 0.2) * weight).sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, atol=1e-4, rtol=1e-4)
    for (name, a), (_, b) in zip(ours.named_parameters(), dense.named_parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None) == frozen
        torch.testing.assert_close(a.grad, b.grad, atol=2e-3, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("frozen", [False, True])
def test_a_block_of_patterns_has_the_gradients_of_the_dense_one(frozen):
    torch.manual_seed(0)
    cgnorm = {"hidden": 12, "shared_groups": 6, "affine_groups": 2}
    block, labels = CGBlock(12, 8, C, 2, True, **cgnorm).requires_grad_(not frozen), blocks(2, 24, 16)
    dense, found = copy.deepcopy(block), patterns.find(labels, C)
    inputs = [torch.randn(2, 12, 24, 16, generator=generator("x")).requires_grad_() for _ in range(2)]
    weight = torch.randn(2, 8, 24, 16, generator=generator("weight"))
    for network, x, condition in ((block, inputs[0], found), (dense, inputs[1], labels)):
        (network(x, condition) * weight).mean().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, atol=1e-6, rtol=1e-3)
    assert inputs[0].grad.abs().max() > 1e-4
    for (name, a), (_, b) in zip(block.named_parameters(), dense.named_parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}")


def test_of_all_maps_only_what_comes_in_is_kept_for_the_backward_pass():
    torch.manual_seed(0)
    block = CGBlock(12, 8, C, 2, True, hidden=12, shared_groups=6, affine_groups=2)
    labels, kept, modulated = blocks(1, 64, 64, side=16), [], []
    x = torch.randn(1, 12, 64, 64).contiguous(memory_format=torch.channels_last).requires_grad_()
    found = patterns.find(labels, C)

    def keep(tensor):
        kept.append((tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes()))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        made = block(x, found)
    maps = {address: size for address, size in kept if size in (x.nbytes, made.nbytes)}
    assert sorted(maps.values()) == [made.nbytes, x.nbytes]  # what the CG-Norm between the convolutions sees, and the other two
    for norm in (block.norm_0, block.norm_1, block.norm_s):
        norm.register_forward_hook(lambda _, __, y: modulated.append(StorageWeakRef(y.untyped_storage())))
    again = block(x, found)
    assert again.requires_grad and [y.expired() for y in modulated] == [True] * 3


def test_what_patterns_cannot_say_stays_dense(monkeypatch):
    monkeypatch.setattr(patterns, "SHARE", 0.5)
    soft = torch.full((1, C, 8, 8), 1 / C)
    two = blocks(1, 8, 8)
    two[:, :2] = 1.0
    assert patterns.find(soft, C) is None
    assert patterns.find(two, C) is None
    assert patterns.find(blocks(1, 16, 16, side=1), C) is None  # nearly as many neighbourhoods as pixels
    small = patterns.conditions(blocks(1, 64, 64), C, [(32, 32), (64, 64)])
    assert all(isinstance(condition, torch.Tensor) for condition in small)  # small pictures as ever
    large = patterns.conditions(blocks(1, 128, 128, side=16), C, [(64, 64), (64, 64), (128, 128)])
    assert large[0] is large[1] and all(isinstance(condition, patterns.Patterns) for condition in large)


def large(model: str, **changes) -> torch.nn.Module:
    """Random networks of 128x128 pictures with trained-looking statistics."""
    torch.manual_seed(1)
    size = {"C": 4, "height": 128, "width": 128, "instance_edge": model == "edges"}
    if model == "spade":
        s = spade.Schedule(**size, channels=(16, 8, 8), hidden=8, same_size=(1,), init_gain=1.0, d_channels=4, **changes)
        networks = spade.Networks(s)
    else:
        five = (16, 16, 8, 8, 8)
        s = groupdnet.Schedule(
            **size, channels=five, groups=(4, 4, 2, 2, 1), hidden=(8,) * 5, shared_groups=(4, 4, 2, 2, 1),
            affine_groups=(4, 4, 2, 2, 1), encoder_channels=(8,) * 4, encoder_groups=4, init_gain=1.0, d_channels=4, **changes,
        )  # fmt: skip
        networks = groupdnet.Networks(s)
    for module in networks.modules():
        if isinstance(module, ParamFreeBatchNorm):
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2)
    return networks.eval()


def some_labels(s, n: int = 1) -> torch.Tensor:
    labels = blocks(n, 128, 128, side=16, classes=s.C)
    if s.instance_edge:
        edge = torch.zeros(n, 1, 128, 128)
        edge[:, :, ::16] = 1
        labels = torch.cat([labels, edge], 1)
    return labels


@pytest.mark.parametrize(
    ("model", "changes"),
    [("groupdnet", {}), ("edges", {}), ("groupdnet", {"norm": "group"}), ("spade", {}), ("spade", {"norm": "instance"}),
     ("spade", {"kernel": 1}), ("spade", {"conditioning": "concat"})],
)  # fmt: skip
def test_a_folded_generator_draws_what_the_plain_one_does(model, changes):
    networks = large(model, **changes)
    fast, s = folded.fold(networks), networks.schedule
    assert fast is not networks and fast.schedule is s
    before = {key: value.clone() for key, value in networks.state_dict().items()}
    z = None if s.z_shape is None else torch.randn(3, *s.z_shape, generator=generator("z"))
    one, three = some_labels(s), some_labels(s, 3)
    found = {}
    for labels in (one, three, one):
        found[len(labels)] = generate(fast, labels, z)
    with patterns.dense():
        for labels in (one, three):
            torch.testing.assert_close(found[len(labels)], generate(networks, labels, z), atol=1e-4, rtol=1e-4)
    assert all(torch.equal(value, before[key]) for key, value in networks.state_dict().items())


@pytest.mark.parametrize("model", ["groupdnet", "spade"])
def test_a_folded_generator_notices_another_label_map(model):
    networks = large(model)
    fast, s = folded.fold(networks), networks.schedule
    z = None if s.z_shape is None else torch.randn(1, *s.z_shape, generator=generator("z"))
    maps = some_labels(s, 2)
    for labels in (maps[:1], maps[1:], maps[:1]):
        with patterns.dense():
            expected = generate(networks, labels, z)
        torch.testing.assert_close(generate(fast, labels, z), expected, atol=1e-4, rtol=1e-4)


def test_a_folded_norm_of_a_channel_that_hardly_varies_keeps_its_eps():
    norm, labels = cg_norm(), blocks(1, 8, 8)
    norm.norm.running_var.fill_(norm.norm.eps)
    x = norm.norm.running_mean[:, None, None] + 1e-3 * torch.randn(1, 12, 8, 8, generator=generator("x"))
    torch.testing.assert_close(folded._Folded(norm)(x, labels), norm(x, labels), atol=1e-4, rtol=1e-3)


def test_small_networks_are_not_folded():
    networks = presets.build("groupdnet", "mannequins", "smoke")
    assert folded.fold(networks) is networks
