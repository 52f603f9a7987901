"""The baselines: what each objective trains and does not, the instance-norm weakness, models without a code."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smislib import papers, presets, runs, sample, schedules
from smislib.errors import SmisError
from smislib.evaluate import evaluate
from smislib.losses import PairedGan, PairedGanObjective, lsgan_d, lsgan_g
from smislib.models import MODELS, pix2pixhd, spade
from smislib.multimodal import Bicycle, BicycleObjective, DiversitySensitive, DiversitySensitiveObjective, diversity
from smislib.sample import Noise, generator
from smislib.train import train

C, SIZE = 4, 32


def uniform(c: int) -> Tensor:
    """One label map that is class c everywhere."""
    labels = torch.zeros(1, C, SIZE, SIZE)
    labels[:, c] = 1
    return labels


def a_batch(n: int = 4, seed: int = 0) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    label_map = torch.randint(C, (n, 4, 4), generator=rng).repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels = F.one_hot(label_map, C).movedim(-1, 1).float()
    return {"image": torch.rand(n, 3, SIZE, SIZE, generator=rng) * 2 - 1, "labels": labels}


def networks(model: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return MODELS[model].networks(schedules.schedule(model, "smoke", SIZE, SIZE, C))


def gradients(module: nn.Module, loss: Tensor) -> list[bool]:
    """Of each parameter whether the loss moves it."""
    found = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True, allow_unused=True)
    return [g is not None and bool(g.any()) for g in found]


# --- networks ---------------------------------------------------------------------------------------------------------


def test_instance_norm_wipes_a_uniform_label_map_and_spade_does_not():
    """SPADE section 3: a uniform map leaves pix2pixHD's first convolution as a constant, which its norm takes away.

    What is left is rounding, so the features behind that norm are looked at: eps lets every later norm magnify it.
    """
    G, behind = networks("pix2pixhd").G, []
    G.down[0].register_forward_pre_hook(lambda module, inputs: behind.append(inputs[0].abs().max()))
    two = uniform(0)
    two[:, 0, :16], two[:, 1, :16] = 0, 1
    S = networks("spade").G.eval()
    with torch.no_grad():
        for labels in (*(uniform(c) for c in range(C)), two):
            G(labels)
        assert max(behind[:C]) < 1e-3
        assert behind[C] > 0.5
        assert (S(uniform(0), None) - S(uniform(1), None)).abs().max() > 0.1


def test_a_code_given_to_a_model_without_one_is_refused():
    z, labels = torch.zeros(1, 16), uniform(0)
    for model, message in (("spade", "its z is None"), ("pix2pixhd", "its z is None")):
        with pytest.raises(SmisError, match=message):
            networks(model).G(labels, z)
    with pytest.raises(SmisError, match=r"expected a code \(N,16\)"):
        networks("spade_vae").G(labels, None)


@pytest.mark.parametrize("model", papers.baselines.SCHEDULES)
@pytest.mark.parametrize(("height", "width", "edge"), [(32, 32, False), (32, 64, True)])
def test_every_baseline_takes_wide_frames_and_instance_edges(model, height, width, edge):
    s = schedules.schedule(model, "smoke", height, width, C, instance_edge=edge)
    nets, labels, image = MODELS[model].networks(s), torch.rand(2, C + edge, height, width), torch.rand(2, 3, height, width)
    z = None if s.z_shape is None else torch.randn(2, *s.z_shape)
    assert nets.G(labels, z).shape == (2, 3, height, width)
    if nets.E:
        assert [part.shape for part in nets.E(image, labels)] == [(2, *s.z_shape)] * 2
    with pytest.raises(SmisError, match="this generator takes"):
        nets.G(torch.rand(2, C + edge, 16, 16), z)


@pytest.mark.parametrize("model", papers.baselines.SCHEDULES)
def test_a_size_that_does_not_fit_is_refused(model):
    message = {"bicyclegan": "U-Net of 1 levels", "dscgan": "U-Net of 1 levels"}.get(model, "must be multiples of")
    with pytest.raises(SmisError, match=message):
        schedules.schedule(model, "smoke", 33, 32, C)


def test_the_smallest_frame_of_pix2pixhd_has_two_cells_at_the_bottom():
    """A grid of one could not be reflected at its border."""
    size = {"C": C, "width": 16, "channels": 2, "halvings": 2, "blocks": 1}
    assert pix2pixhd.Generator(pix2pixhd.Schedule(height=8, **size))(torch.rand(1, C, 8, 16)).shape == (1, 3, 8, 16)
    with pytest.raises(SmisError, match=r"4x16 does not fit .* and 8 or more"):
        pix2pixhd.Schedule(height=4, **size)


def test_the_unet_has_a_level_for_each_halving():
    assert len(schedules.schedule("dscgan", "paper", 256, 256, 8).channels) == 8
    assert len(schedules.schedule("dscgan", "paper", 96, 192, 8).channels) == 5
    assert schedules.schedule("bicyclegan", "paper", 256, 512, 35, "cityscapes").label_channels == 36


def test_the_unet_code_enters_at_every_level():
    """With the weights of the code at one level alone, it still reaches the image."""
    G = networks("dscgan").G
    labels, z = a_batch(1)["labels"], torch.randn(2, 1, 8)
    for level in range(len(G.down)):
        for i, conv in enumerate(G.down):
            conv.weight.data[:, -8:] = 0.5 if i == level else 0.0
        assert not torch.allclose(G(labels, z[0]), G(labels, z[1]), atol=1e-4)


def test_the_residual_encoder_is_bicyclegans():
    """(norm, leaky ReLU, conv) twice and a mean over 2x2, beside a mean and a 1x1 convolution; a mean over the last grid."""
    E, image = networks("bicyclegan").E.double(), a_batch()["image"].double()
    with torch.no_grad():
        x = F.conv2d(image, E.first.weight, E.first.bias, stride=2, padding=1)
        for block in E.blocks:
            h = block.conv_0(F.leaky_relu(F.instance_norm(x), 0.2))
            h = block.conv_1(F.leaky_relu(F.instance_norm(h), 0.2))
            x = F.avg_pool2d(h, 2) + block.shortcut(F.avg_pool2d(x, 2))
        x = F.leaky_relu(x, 0.2).mean((2, 3))
        for found, layer in zip(E(image), (E.mu, E.logvar), strict=True):
            torch.testing.assert_close(found, layer(x))


def test_the_unet_is_bicyclegans():
    """Leaky ReLU, conv and norm on the way down, ReLU, conv and norm on the way up; no norm on the first features, on the lowest
    level and on the image; before the first convolution there is no activation, behind the last a tanh."""
    G, labels, z = networks("dscgan").G.double(), a_batch()["labels"].double(), torch.randn(4, 8).double()

    def with_code(x: Tensor) -> Tensor:
        return torch.cat([x, z[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)

    with torch.no_grad():
        levels = [G.down[0](with_code(labels))]
        for conv in G.down[1:-1]:
            levels.append(F.instance_norm(conv(with_code(F.leaky_relu(levels[-1], 0.2)))))
        x = G.down[-1](with_code(F.leaky_relu(levels[-1], 0.2)))
        for conv, level in zip(reversed(G.up[1:]), reversed(levels), strict=True):
            x = torch.cat([F.instance_norm(conv(x.relu())), level], 1)
        torch.testing.assert_close(G(labels, z), G.up[0](x.relu()).tanh())


def test_an_encoder_of_spade_without_norms_starts_with_little_noise():
    """And keeps the size of its signal by He's initialisation; that of the paper, with norms, starts with Glorot's and N(0,1)."""
    for norm, logvar in (("none", -3.0), ("instance", 0.0)):
        s = schedules.schedule("spade_vae", "smoke", SIZE, SIZE, C)
        E = spade.Networks(replace(s, encoder_norm=norm, spectral=False)).E
        assert torch.equal(E.logvar.bias, torch.full_like(E.logvar.bias, logvar)) and not E.mu.bias.any()
        last = [layer for layer in E.layers if isinstance(layer, nn.Conv2d)][-1].weight
        into, out = last[0].numel(), last[:, 0].numel()  # of a weight, in and out
        expected = 1.5 * (2 / (1.04 * into)) ** 0.5 if norm == "none" else (2 / (into + out)) ** 0.5
        assert last.std().item() == pytest.approx(expected, rel=0.05)


# --- objectives -------------------------------------------------------------------------------------------------------


def test_least_squares():
    real, fake = torch.tensor([1.0, 0.5]), torch.tensor([0.0, -2.0])
    assert lsgan_d(real, fake).item() == pytest.approx(0.5 * (0.25 / 2 + 4 / 2))
    assert lsgan_g(fake).item() == pytest.approx((1 + 9) / 2)


def test_a_paired_gan_weighs_its_terms():
    nets, batch = networks("pix2pixhd"), a_batch()
    nets.eval()  # so that spectral norms do not move between the two passes
    noise = Noise(generator(0))
    once = PairedGanObjective(PairedGan("lsgan", backbone="none"), None).generator(nets, batch, noise, 1.0)[0]
    more = PairedGanObjective(PairedGan("lsgan", gan=3.0, feature=50.0, backbone="none"), None).generator(
        nets, batch, noise, 1.0
    )[0]
    assert set(once) == {"gan", "feature"}
    torch.testing.assert_close(more["gan"], 3 * once["gan"])
    torch.testing.assert_close(more["feature"], 5 * once["feature"])
    with pytest.raises(SmisError, match="Did you mean 'lsgan'"):
        PairedGan("lsgn")


def test_the_latent_regression_trains_g_and_not_e():
    nets, objective = networks("bicyclegan"), BicycleObjective(Bicycle(), None)
    terms, fake = objective.generator(nets, a_batch(), Noise(generator(0)), 1.0)
    moved = {name: (any(gradients(nets.E, term)), any(gradients(nets.G, term))) for name, term in terms.items()}
    assert moved == {
        "gan_vae": (True, True),
        "gan_lr": (False, True),
        "l1": (True, True),
        "latent": (False, True),
        "kl": (True, False),
    }
    assert all(p.requires_grad for p in nets.E.parameters())  # it learns again in the next step
    assert fake.shape == (4, 3, SIZE, SIZE)  # two reconstructed, two invented


def test_each_cycle_has_its_own_discriminator_and_real_images():
    """D "vae" sees the encoded half with its labels, D "lr" the other half as real, and the first half's labels as fake."""
    nets, batch, seen = networks("bicyclegan"), a_batch(), {}
    for name, D in nets.D.items():
        D.register_forward_pre_hook(lambda module, inputs, name=name: seen.update({name: inputs[0]}))
    fake = torch.rand(4, 3, SIZE, SIZE)
    terms = BicycleObjective(Bicycle(), None).discriminator(nets, batch, fake, Noise(generator(0)))
    assert set(terms) == {"vae", "lr"}
    labels, image = batch["labels"], batch["image"]
    for name, real, invented in (("vae", slice(0, 2), fake[:2]), ("lr", slice(2, 4), fake[2:])):
        expected = torch.cat([torch.cat([labels[real], image[real]], 1), torch.cat([labels[:2], invented], 1)])
        assert torch.equal(seen[name], expected)


def test_d_tells_real_from_fake_by_least_squares_at_every_scale():
    for model, objective in (
        ("bicyclegan", BicycleObjective(Bicycle(), None)),
        ("dscgan", DiversitySensitiveObjective(DiversitySensitive(), None)),
    ):
        nets, batch, fake = networks(model).eval(), a_batch(), a_batch(seed=1)["image"]
        found = objective.discriminator(nets, batch, fake, Noise(generator(0)))
        labels, image = batch["labels"], batch["image"]
        halves = {"vae": (slice(0, 2), slice(0, 2)), "lr": (slice(2, 4), slice(2, 4))}
        for name, term in found.items():
            D = nets.D[name] if name in halves else nets.D
            real, made = halves.get(name, (slice(0, 4), slice(0, 4)))
            under = labels[:2] if name in halves else labels
            on_real, on_fake = D(torch.cat([labels[real], image[real]], 1)), D(torch.cat([under, fake[made]], 1))
            expected = sum(((r[-1] - 1) ** 2).mean() + (f[-1] ** 2).mean() for r, f in zip(on_real, on_fake, strict=True)) / 2
            torch.testing.assert_close(term, expected, msg=lambda text, at=f"{model} {name}": f"{at}: {text}")


def test_an_odd_batch_cannot_be_split():
    with pytest.raises(SmisError, match="found 3 images"):
        BicycleObjective(Bicycle(), None).generator(networks("bicyclegan"), a_batch(3), Noise(generator(0)), 1.0)


def test_diversity_is_the_ratio_of_distances_up_to_its_clamp():
    a, z = torch.zeros(2, 3, 2, 2), torch.zeros(2, 4)
    b = torch.stack([torch.full((3, 2, 2), 0.5), torch.full((3, 2, 2), -2.0)]).requires_grad_()
    z_b = torch.stack([torch.full((4,), 2.0), torch.full((4,), -0.5)])
    assert diversity(a, b, z, z_b, clamp=10.0).item() == pytest.approx((0.25 + 4.0) / 2)
    clamped = diversity(a, b, z, z_b, clamp=3.0)
    assert clamped.item() == pytest.approx((0.25 + 3.0) / 2)
    clamped.backward()
    assert b.grad[0].any() and not b.grad[1].any()  # beyond the clamp there is nothing to gain
    assert math.isfinite(diversity(a, b, z, z, clamp=10.0).item())  # equal codes


def test_dscgan_is_rewarded_for_being_diverse():
    nets, batch = networks("dscgan"), a_batch()
    objective = DiversitySensitiveObjective(DiversitySensitive(), None)
    assert nets.E is None
    with torch.no_grad():
        term = objective.generator(nets, batch, Noise(generator(0)), 1.0)[0]["diversity"]
        for conv in nets.G.down:
            conv.weight[:, -8:] *= 3  # the code weighs more
        assert objective.generator(nets, batch, Noise(generator(0)), 1.0)[0]["diversity"] < term < 0


# --- the way through the library --------------------------------------------------------------------------------------


def test_the_registry_knows_which_models_have_a_code():
    for model, entry in MODELS.items():
        e = presets.experiment(model, "tokens" if entry.whole else "mannequins", "smoke")
        assert entry.multimodal == (e.network.z_shape is not None)


@pytest.mark.parametrize("model", papers.baselines.SCHEDULES)
def test_a_baseline_is_trained_loaded_and_measured(model, small, home):
    run = train(small(model, **{"train.steps": 2, "evaluation.n_fid": 6}), progress=False)
    metrics = {record.metric for record in evaluate(run, device="cpu", progress=False)}
    assert {"FID[embedded]", "mIoU[embedded]", "Params", "FPS"} <= metrics
    drawn = {"LPIPS[embedded]", "mCSD[embedded]", "mOCD[embedded]", "mCSD/mOCD[embedded]"}
    assert metrics & drawn == (drawn if MODELS[model].multimodal else set())
    nets = runs.load(run.weights)
    batch = presets.batch(nets, n=2)
    z = sample.draw(nets, 2, generator(0))
    images = sample.generate(nets, batch["labels"], z)
    assert images.shape == (2, 3, 32, 32)
    several = sample.vary(nets, batch["labels"][:1], 3, 4, generator(1))
    assert several.shape == (4, 3, 32, 32)
    assert bool((several[0] != several[1]).any()) == MODELS[model].multimodal
    with pytest.raises(SmisError, match="no class parts"):
        sample.class_slice(nets, 0)
    if z is not None:
        line = sample.interpolate(nets, z[:1], z[1:], torch.linspace(0, 1, 3))
        torch.testing.assert_close(line[[0, 2]], z)


def test_spade_and_groupdnet_share_the_rest_of_the_paper_preset():
    """So that a table compares models: same steps, batch and evaluation."""
    ours = presets.experiment("groupdnet", preset="paper")
    for model in papers.baselines.SCHEDULES:
        theirs = presets.experiment(model, preset="paper")
        assert (theirs.train.steps, theirs.train.batch, theirs.evaluation) == (
            ours.train.steps,
            ours.train.batch,
            ours.evaluation,
        )
