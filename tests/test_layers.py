"""The building blocks against plain operations, slow references and a second process."""

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from hypothesis import given
from hypothesis import settings as configured
from hypothesis import strategies as st

from smislib.errors import SmisError
from smislib.layers import CGBlock, CGNorm, ParamFreeBatchNorm, glorot_, he_, interleave_edge

few = configured(max_examples=15)
groups_ = st.sampled_from([1, 2, 3, 4])


def one_hot(label_map: torch.Tensor, C: int) -> torch.Tensor:
    return F.one_hot(label_map, C).movedim(-1, 1).float()


def random_labels(n: int, C: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return one_hot(torch.randint(C, (n, height, width), generator=rng), C)


# --- CG-Norm ----------------------------------------------------------------------------------------------------------


@few
@given(groups=groups_, per_group=st.integers(1, 3), size=st.integers(2, 6), norm=st.sampled_from(["batch", "group"]))
def test_cg_norm_without_gamma_and_beta_is_the_plain_norm(groups, per_group, size, norm):
    channels = groups * per_group
    layer = CGNorm(channels, groups, hidden=2 * groups, shared_groups=groups, affine_groups=groups, norm=norm)
    for conv in (layer.gamma, layer.beta):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    x = 3 + 2 * torch.randn(3, channels, size, size + 1)
    found = layer(x, random_labels(3, groups, size, size + 1))
    dims = (0, 2, 3) if norm == "batch" else 2
    parts = x if norm == "batch" else x.view(3, groups, -1)
    mean, var = parts.mean(dims, keepdim=True), parts.var(dims, keepdim=True, correction=0)
    torch.testing.assert_close(found, ((parts - mean) / (var + 1e-5).sqrt()).view_as(x), atol=1e-4, rtol=1e-4)


@few
@given(channels=st.integers(1, 6), C=st.integers(1, 5), hidden=st.integers(1, 8), size=st.integers(2, 7))
def test_cg_norm_of_one_group_is_spade(channels, C, hidden, size):
    layer = CGNorm(channels, C, hidden=hidden, shared_groups=1, affine_groups=1)
    x, labels = torch.randn(2, channels, size, size), random_labels(2, C, size, size)
    actv = F.conv2d(labels, layer.shared.weight, layer.shared.bias, padding=1).clamp(min=0)
    gamma = F.conv2d(actv, layer.gamma.weight, layer.gamma.bias, padding=1)
    beta = F.conv2d(actv, layer.beta.weight, layer.beta.bias, padding=1)
    normalised = F.batch_norm(x, None, None, training=True)
    torch.testing.assert_close(layer(x, labels), normalised * (1 + gamma) + beta, atol=1e-5, rtol=1e-5)


@few
@given(groups=st.sampled_from([2, 3, 4]), widths=st.tuples(st.integers(1, 3), st.integers(1, 3)), own=st.integers(0, 3))
def test_a_block_keeps_groups_apart(groups, widths, own):
    """The gradient of one group's output is exactly 0 in the other groups' input and labels, and not in its own."""
    own = own % groups
    into, out = (w * groups for w in widths)
    block = CGBlock(into, out, groups, groups, True, hidden=groups, shared_groups=groups, affine_groups=groups)
    x = torch.randn(2, into, 5, 5, requires_grad=True)
    labels = random_labels(2, groups, 5, 5).requires_grad_()
    block(x, labels).unflatten(1, (groups, -1))[:, own].square().sum().backward()
    for gradient in (x.grad.reshape(2, groups, -1), labels.grad.reshape(2, groups, -1)):
        strength = gradient.abs().sum((0, 2))
        assert strength[own] > 0
        assert strength.sum() == strength[own]


def test_a_block_adds_a_shortcut_to_two_convolutions():
    """SMIS figure 2, written out: (CG-Norm, leaky ReLU, conv) twice, plus CG-Norm and a 1x1 conv where the width changes."""
    for into, out in ((4, 4), (4, 6)):
        block = CGBlock(into, out, 2, 2, False, hidden=4, shared_groups=2, affine_groups=2)
        x, labels = torch.randn(2, into, 4, 4), random_labels(2, 2, 4, 4)
        h = block.conv_0(F.leaky_relu(block.norm_0(x, labels), 0.2))
        assert h.shape[1] == min(into, out)
        h = block.conv_1(F.leaky_relu(block.norm_1(h, labels), 0.2))
        skip = x if into == out else block.shortcut(block.norm_s(x, labels))
        torch.testing.assert_close(block(x, labels), skip + h)
        assert (block.shortcut is None) == (into == out)


def test_initial_weights_have_the_spread_of_their_papers():
    """Glorot: gain * sqrt(2 / (fan in + fan out)); He with a leaky slope of 0.2: sqrt(2 / (1.04 fan in)), here times 1.5."""
    conv = torch.nn.Conv2d(64, 128, 3)
    glorot_(conv, gain=0.02)
    assert conv.weight.std().item() == pytest.approx(0.02 * (2 / (9 * (64 + 128))) ** 0.5, rel=0.02)
    assert not conv.bias.any()
    he_(conv)
    assert conv.weight.std().item() == pytest.approx(1.5 * (2 / (1.04 * 9 * 64)) ** 0.5, rel=0.02)


# --- instance edges --------------------------------------------------------------------------------------------------


def test_edges_interleave_with_classes():
    labels = torch.arange(2 * 4 * 2 * 2).float().view(2, 4, 2, 2)  # three classes, then the edge
    found = interleave_edge(labels, 3)
    for c in range(3):
        assert torch.equal(found[:, 2 * c], labels[:, c])
        assert torch.equal(found[:, 2 * c + 1], labels[:, 3])
    assert found.shape == (2, 6, 2, 2)


def test_cg_norm_of_a_norm_that_there_is_not_is_refused():
    with pytest.raises(SmisError, match="unknown norm 'btach'"):
        CGNorm(4, 2, hidden=2, shared_groups=1, affine_groups=1, norm="btach")


# --- batch norm over processes ----------------------------------------------------------------------------------------


def test_batch_norm_and_its_running_statistics():
    norm, x = ParamFreeBatchNorm(3), 5 + 2 * torch.randn(4, 3, 5, 6)
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    found = norm(x)
    biased = x.var((0, 2, 3), correction=0)
    torch.testing.assert_close(found, (x - mean[:, None, None]) / (biased + 1e-5).sqrt()[:, None, None], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(norm.running_mean, 0.1 * mean)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * var)
    running = (norm.running_mean[:, None, None], norm.running_var[:, None, None])
    torch.testing.assert_close(norm.eval()(x), (x - running[0]) / (running[1] + 1e-5).sqrt())


def batch_of_both() -> tuple[torch.Tensor, torch.Tensor]:
    """The input and a weight for the loss. The last channel is nearly constant and far from 0: a test of rounding."""
    rng = torch.Generator().manual_seed(1)
    x, weight = torch.randn(6, 3, 4, 4, generator=rng), torch.randn(6, 3, 4, 4, generator=rng)
    x[:, 1] = 3 * x[:, 1] - 7
    x[:, 2] = 1000 + 0.1 * x[:, 2]
    return x, weight


def norm_of_a_part(rank: int, parts: list[slice], folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=len(parts))
    whole, weight = batch_of_both()
    norm, x = ParamFreeBatchNorm(3), whole[parts[rank]].requires_grad_()
    y = norm(x)
    (y * weight[parts[rank]]).sum().backward()
    torch.save((y.detach(), x.grad, norm.running_mean, norm.running_var), f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize("cut", [3, 2])
def test_two_processes_normalise_as_one_with_the_whole_batch(cut, tmp_path, processes):
    parts = [slice(0, cut), slice(cut, 6)]  # of equal size, and not
    started = [processes(norm_of_a_part, rank, parts, str(tmp_path)) for rank in (0, 1)]
    for process in started:
        process.join(300)
        assert process.exitcode == 0
    x, weight = batch_of_both()
    norm = ParamFreeBatchNorm(3)
    y = norm(x.requires_grad_())
    (y * weight).sum().backward()
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    torch.testing.assert_close(torch.cat([f[0] for f in found]), y.detach(), atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(torch.cat([f[1] for f in found]), x.grad, atol=2e-3, rtol=1e-3)
    for _, _, mean, var in found:
        torch.testing.assert_close(mean, norm.running_mean)
        torch.testing.assert_close(var, norm.running_var)


def test_batch_norm_without_sync_takes_each_device_by_itself():
    norm, x = ParamFreeBatchNorm(3, devices=4), 5 + 2 * torch.randn(8, 3, 5, 6)
    alone = ParamFreeBatchNorm(3)
    for part, found in zip(x.chunk(4), norm(x).chunk(4), strict=True):
        torch.testing.assert_close(found, ParamFreeBatchNorm(3)(part))
    alone(x[:2])
    assert torch.equal(norm.running_mean, alone.running_mean)  # the first device's are what is saved
    assert torch.equal(norm.running_var, alone.running_var)
    norm.eval(), alone.eval()
    assert torch.equal(norm(x), alone(x))


def test_an_unsynced_cg_norm_normalises_quarters_of_the_batch():
    """As on the four devices of SMIS 4.1: gamma and beta aside, each quarter by itself."""
    layer = CGNorm(3, 2, hidden=2, shared_groups=1, affine_groups=1, norm="unsynced")
    for conv in (layer.gamma, layer.beta):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    x = torch.randn(8, 3, 5, 6) * torch.arange(1, 9).view(8, 1, 1, 1)
    expected = torch.cat([F.batch_norm(x[i : i + 2], None, None, training=True) for i in (0, 2, 4, 6)])
    torch.testing.assert_close(layer(x, random_labels(8, 2, 5, 6)), expected, atol=1e-5, rtol=1e-4)
