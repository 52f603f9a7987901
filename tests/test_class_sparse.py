"""Leaving out the classes that a batch lacks: encoder and MulNet give the same numbers and gradients; what changes elsewhere."""

from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F

from smislib import class_sparse, patterns, presets, schedules
from smislib.folded import fold
from smislib.models import groupdnet
from smislib.sample import generator

C, SIZE = 12, 32


def networks(model: str, *, size: int = SIZE, preset: str = "smoke", edge: bool = False, **changed) -> groupdnet.Networks:
    """The same weights whatever is `changed`."""
    torch.manual_seed(0)
    return groupdnet.Networks(replace(schedules.schedule(model, preset, size, size, C, instance_edge=edge), **changed))


def images(*label_maps: set[int], size: int = SIZE, edge: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """An image and labels for each set of classes."""
    rng, rows = generator("rooms", size), []
    for classes in label_maps:
        chosen = torch.tensor(sorted(classes))[torch.randint(len(classes), (4, 4), generator=rng)]
        chosen.view(-1)[: len(classes)] = torch.tensor(sorted(classes))  # each is there
        rows.append(F.one_hot(chosen, C).permute(2, 0, 1)[None].float())
    labels = F.interpolate(torch.cat(rows), size=(size, size), mode="nearest")
    if edge:
        labels = torch.cat([labels, (torch.rand(len(labels), 1, size, size, generator=rng) > 0.9).float()], dim=1)
    return torch.rand(len(labels), 3, size, size, generator=rng) * 2 - 1, labels


def step(nets: groupdnet.Networks, image, labels) -> dict[str, torch.Tensor]:
    """The numbers and gradients of a step of E and G."""
    mu, logvar = nets.E(image, labels)
    fake = nets.G(labels, mu + torch.randn(mu.shape, generator=generator("eps")) * (0.5 * logvar).exp())
    ((fake - image).square().mean() + mu.square().mean() + logvar.mean()).backward()
    gradients = {name: p.grad for name, p in nets.named_parameters() if p.grad is not None}
    return {"mu": mu, "logvar": logvar, "fake": fake} | gradients


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("changed", [{}, {"class_view": "mask", "code": "map"}, {"encoder_norm": "instance", "code": "map"}])
def test_mulnet_is_the_same_function_with_the_same_gradients(changed, edge):
    image, labels = images({0, 3, 7}, {3, 11}, edge=edge)
    dense, sparse = (step(networks("mulnet", edge=edge, sparse=on, **changed), image, labels) for on in (False, True))
    assert dense.keys() == sparse.keys()
    for name in dense:
        torch.testing.assert_close(sparse[name], dense[name], rtol=1e-4, atol=1e-4, msg=name)


def test_only_the_kept_classes_are_computed(monkeypatch):
    image, labels = images({0, 3}, {3, 11})
    widths = []
    monkeypatch.setattr(groupdnet, "crop_by_class", counting(groupdnet.crop_by_class, widths))
    networks("mulnet", sparse=True).E(image, labels)
    networks("mulnet").E(image, labels)
    assert widths == [3, C]


def counting(function, widths):
    def call(image, labels):
        widths.append(labels.shape[1])
        return function(image, labels)

    return call


def test_the_encoder_leaves_out_absent_classes_of_large_pictures_by_itself():
    size = patterns.LARGE
    nets, (image, labels) = networks("groupdnet", size=size, code="map"), images({1, 4}, size=size)
    found = nets.E(image, labels)
    with patterns.dense():
        dense = nets.E(image, labels)
    for a, b in zip(found, dense, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert torch.equal(found[0][0, :8, 0, 0], nets.E.mu.bias[:8])  # class 0 is absent


def test_statistics_of_kept_classes_move_and_those_of_others_rest():
    nets, (image, labels) = networks("mulnet", sparse=True), images({0, 3}, {3, 11})
    nets.G(labels, nets.E(image, labels)[0])
    dense = networks("mulnet")
    dense.G(labels, dense.E(image, labels)[0])
    norm, plain = nets.G.blocks[0].norm_0.norm, dense.G.blocks[0].norm_0.norm
    own = class_sparse.owned(torch.tensor([0, 3, 11]), len(norm.running_mean), C)
    for key, at_rest in (("running_mean", 0.0), ("running_var", 1.0)):
        moved, as_dense = getattr(norm, key).clone(), getattr(plain, key)
        torch.testing.assert_close(moved[own], as_dense[own], rtol=1e-5, atol=1e-6)
        moved[own] = at_rest
        assert torch.equal(moved, torch.full_like(moved, at_rest))


@pytest.mark.parametrize("model", ["groupnet", "groupdec"])
def test_an_absent_class_is_not_heard_in_a_sparse_decoder_whatever_else_is_in_the_batch(model):
    _, labels = images({0, 3}, {3, 11})
    z = torch.randn(2, *networks(model).schedule.z_shape, generator=generator("z"))
    other = z.clone()
    other[0, class_sparse.owned(torch.tensor([11, 5]), z.shape[1], C)] += 3  # classes that the first image lacks
    heard = {}
    for sparse in (False, True):
        G = networks(model, sparse=sparse).G.eval()
        heard[sparse] = float((G(labels, z)[0] - G(labels, other)[0]).detach().abs().max())
        torch.testing.assert_close(G(labels, z)[:1], G(labels[:1], z[:1]), rtol=1e-4, atol=1e-5)
    assert heard[True] == 0 < 0.01 < heard[False]


@pytest.mark.parametrize("model", ["groupnet", "groupdec"])
def test_a_sparse_decoder_is_the_dense_one_whose_fusing_convolutions_get_nothing_of_absent_classes(model):
    _, labels = images({0, 3, 7}, {3, 5, 11})
    z = torch.randn(2, *networks(model).schedule.z_shape, generator=generator("z"))
    sparse, dense = (networks(model, sparse=on).G.eval() for on in (True, False))
    here = labels.amax((2, 3), keepdim=True)  # (2,C,1,1)
    dense.fusion[0].register_forward_pre_hook(lambda _, inputs: inputs[0] * here.repeat_interleave(inputs[0].shape[1] // C, 1))
    torch.testing.assert_close(sparse(labels, z), dense(labels, z), rtol=1e-4, atol=1e-5)


def test_where_every_class_is_shown_nothing_changes():
    image, labels = images(set(range(C)))
    dense, sparse = (step(networks("groupnet", sparse=on), image, labels) for on in (False, True))
    assert all(torch.equal(dense[name], sparse[name]) for name in dense)


def test_a_decoder_with_falling_groups_stays_as_it_is():
    image, labels = images({0, 3})
    dense, sparse = (step(networks("groupdnet", sparse=on), image, labels) for on in (False, True))
    assert torch.equal(dense["fake"], sparse["fake"])


def test_without_any_label_there_is_an_image_still():
    nets = networks("groupnet", sparse=True).eval()
    labels = torch.zeros(1, C, SIZE, SIZE)
    assert nets.G(labels, torch.zeros(1, *nets.schedule.z_shape)).isfinite().all()
    assert class_sparse.kept(labels).tolist() == [0]


def test_processes_agree_on_what_they_keep(processes):
    """Their batch norms work together, so each needs the channels of all."""
    queue = processes.context.Queue()
    port = 20000 + torch.randint(20000, ()).item()
    for rank in range(2):
        processes(kept_by, rank, port, queue)
    found = dict(queue.get(timeout=120) for _ in range(2))
    assert found == {0: ([0, 2, 3], [0, 3]), 1: ([0, 2, 3], [2])}


def kept_by(rank: int, port: int, queue) -> None:
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    labels = images([{0, 3}, {2}][rank])[1]
    queue.put((rank, (class_sparse.kept(labels, training=True).tolist(), class_sparse.kept(labels).tolist())))
    dist.barrier()


def test_the_option_keeps_the_names_of_older_experiments_and_is_not_folded():
    plain, sparse = (
        presets.experiment("groupnet", "mannequins", "smoke", 0, assignments=a) for a in ({}, {"network.sparse": "true"})
    )
    assert sparse.network.sparse and plain.hash != sparse.hash
    assert "sparse" not in str(presets.config.to_dict(plain))
    nets = networks("groupnet", size=patterns.LARGE, sparse=True).eval()
    assert fold(nets) is nets
