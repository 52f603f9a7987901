"""What is counted without storage is what real tensors take."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from smislib import class_sparse, cost, data, losses, presets, rehearsal, runs
from smislib.errors import SmisError
from smislib.models import MODELS
from smislib.sample import Noise, generator


@pytest.mark.parametrize("model", ["groupdnet", "spade_vae", "oasis", "pix2pixhd"])
def test_as_many_bytes_are_kept_for_the_backward_pass_as_of_real_images(small, model):
    e = small(model, **{"train.batch": 2})
    classes, networks = data.classes(e.data), runs.build(e)
    scenes = rehearsal.RandomScenes(e.data, classes, 2)
    real = rehearsal._saved(networks, e, scenes, classes, torch.device("cpu"))
    assert cost.of_step(e, 2).activations == pytest.approx(real, rel=0.01)  # a few masks and scalars differ


def test_operations_are_those_of_a_real_step(small):
    """Of a network without groups, where torch's own counter is right."""
    e = small("spade_vae", **{"train.batch": 2})
    networks, spec = runs.build(e), e.data
    objective = MODELS[e.model].objective(e.loss, losses.perceptual_loss(e.loss.backbone, torch.device("cpu")))
    batch = {
        "image": torch.rand(2, 3, spec.height, spec.width),
        "labels": torch.rand(2, e.network.label_channels, spec.height, spec.width),
    }
    with FlopCounterMode(display=False) as counter:
        networks.D.requires_grad_(False)
        terms, fake = objective.generator(networks, batch, Noise(generator(0)), 1.0)
        sum(terms.values()).backward()
        networks.D.requires_grad_(True)
        if not e.train.reuse_fake:
            with torch.no_grad():
                fake = objective.generator(networks, batch, Noise(generator(0)), 1.0)[1]
        sum(objective.discriminator(networks, batch, fake.detach(), Noise(generator(0))).values()).backward()
    assert cost.of_step(e, 2).flops == counter.get_total_flops()


@pytest.mark.parametrize("transposed", [False, True])
def test_a_grouped_convolution_costs_twice_as_much_backward_as_forward(transposed):
    conv = (torch.nn.ConvTranspose2d if transposed else torch.nn.Conv2d)(8, 16, 3, stride=2, padding=1, groups=4, device="meta")
    x, counted = torch.empty(2, 8, 32, 48, device="meta", requires_grad=True), []
    for backward in (False, True):
        with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: cost._backward}) as counter:
            y = conv(x)
            if backward:
                y.sum().backward()
        counted.append(counter.get_total_flops())
    by_hand = 2 * 2 * (32 * 48 if transposed else 16 * 24) * 9 * 8 * 16 // 4
    assert counted == [by_hand, 3 * by_hand]


def test_cost_follows_batch_and_classes(small):
    e = small("groupnet")
    one, two = cost.of_step(e, 1), cost.of_step(e, 2)
    assert two.flops == pytest.approx(2 * one.flops, rel=0.05) and two.parameters == one.parameters
    fewer = replace(e, network=class_sparse.of_some(e.network, 2))
    found = cost.of_step(fewer, 1)
    assert found.flops < 0.8 * one.flops and found.activations < 0.6 * one.activations  # D and the perceptual loss remain


def test_every_step_of_d_counts_and_without_d_there_is_none(small):
    one, two, three = (cost.of_step(small("pix2pix", **{"train.d_steps": n}), 2).flops for n in (1, 2, 3))
    without = cost.of_step(small("pix2pix_l1"), 2)
    assert three - two == two - one > 0 and 0 < without.flops < one


def test_the_papers_network_is_counted_without_its_weights(home):
    found = cost.of_step(presets.experiment("groupdnet", "deepfashion", "paper", 0), 1)
    assert found.parameters == 96_324_451 + 12_835_712 + 5_544_066
    assert 2.5e12 < found.flops < 2.9e12  # 583 GFLOP a forward of G, four of them, and VGG19


def test_what_has_no_label_maps_is_not_counted(small):
    with pytest.raises(SmisError, match="reads no label maps"):
        cost.of_step(presets.experiment("biggan", "tokens", "smoke", 0), 1)


def test_what_is_free_again_at_the_end_of_the_forward_pass_is_not_counted():
    """The perceptual loss of a large image keeps its gradient, not its features."""
    fake, real = torch.rand(2, 1, 3, 128, 128, generator=generator("cost"))
    loss = losses.perceptual_loss("embedded", torch.device("cpu"))
    made, kept = cost.keeping(torch.nn.Identity(), lambda: loss(fake.requires_grad_(), real))
    assert kept == fake.nbytes
    made.backward()
    assert fake.grad.abs().sum() > 0
