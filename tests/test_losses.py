"""Objectives against values worked out by hand, torch's distributions and VGG19 written out."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import settings as configured
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from smislib import losses, presets, runs
from smislib.errors import SmisError
from smislib.losses import (
    Perceptual,
    VaeGan,
    VaeGanObjective,
    feature_matching,
    hinge_d,
    hinge_g,
    kl,
    perceptual_loss,
)
from smislib.patterns import LARGE
from smislib.sample import Noise, generator

CPU = torch.device("cpu")


def test_hinge():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([[-3.0, 0.0], [1.0, -0.5]])
    assert hinge_d(real, fake).item() == pytest.approx(0.5 * ((0 + 0.5 + 2) / 3 + (0 + 1 + 2 + 0.5) / 4))
    assert hinge_g(fake).item() == pytest.approx(2.5 / 4)


def test_hinge_stops_at_the_margin_for_d_and_never_for_g():
    logits = torch.tensor([1.5, 0.5], requires_grad=True)
    hinge_d(logits, -logits.detach()).backward()
    assert logits.grad.tolist() == [0.0, -0.25]
    logits.grad = None
    hinge_g(logits).backward()
    assert logits.grad.tolist() == [-0.5, -0.5]


@configured(max_examples=25)
@given(shape=st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 3), st.integers(1, 3)), seed=st.integers(0, 99))
def test_kl_is_that_of_normal_distributions_per_image(shape, seed):
    rng = torch.Generator().manual_seed(seed)
    mu, logvar = torch.randn(shape, generator=rng), 2 * torch.randn(shape, generator=rng)
    nats = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl(mu, logvar), nats.sum((1, 2, 3)).mean(), rtol=1e-4, atol=1e-5)
    assert kl(torch.zeros(shape), torch.zeros(shape)) == 0


def test_kl_of_half_precision_is_summed_in_full():
    mu = torch.full((1, 4096), 0.3, dtype=torch.bfloat16)
    assert kl(mu, torch.zeros_like(mu)).item() == pytest.approx(4096 * mu[0, 0].item() ** 2 / 2, rel=1e-6)


def test_feature_matching_leaves_logits_out_and_averages_scales():
    zeros, ones, logits = torch.zeros, torch.ones, torch.full((1,), 9.0)
    real = [[zeros(2, 3), ones(4), zeros(1)], [zeros(5), zeros(2), zeros(1)]]
    fake = [[zeros(2, 3) + 0.5, zeros(4), logits], [zeros(5) + 2, zeros(2), logits]]
    assert feature_matching(real, fake).item() == pytest.approx(((0.5 + 1) + (2 + 0)) / 2)


# --- perceptual -------------------------------------------------------------------------------------------------------


def test_perceptual_is_zero_for_equal_images_and_grows_with_the_difference():
    loss, image = perceptual_loss("embedded", CPU), torch.rand(2, 3, 32, 32) * 2 - 1
    change = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    assert loss(image, image) == 0
    a, b = loss(image + 0.01 * change, image), loss(image + 0.1 * change, image)
    assert 0 < 5 * a < b


def test_perceptual_is_a_weighted_l1_whose_gradient_goes_to_the_fake():
    loss = Perceptual(lambda x: [1 * x, x.square()], (0.5, 2.0))
    fake, real = torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([2.0, 2.0], requires_grad=True)
    value = loss(fake, real)
    assert value.item() == pytest.approx(0.5 * 1 + 2 * (3 + 5) / 2)
    value.backward()
    assert fake.grad.tolist() == [-0.25 - 2 * 1, 0.25 + 2 * 3]
    assert real.grad is None


def test_of_large_images_the_gradient_alone_is_kept(monkeypatch):
    loss, kept = perceptual_loss("embedded", CPU), []
    real, fake = (torch.rand(1, 3, LARGE, LARGE, generator=generator(name)) * 2 - 1 for name in ("real", "fake"))
    gradients = []
    for large in (LARGE, LARGE + 1):
        monkeypatch.setattr(losses, "LARGE", large)
        x = fake.clone().requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
            value = loss(x * 1, real)
        assert (kept[-1] == x.shape) == (large == LARGE)  # the graph of the value has the gradient; else it has features
        (3 * value).backward()
        gradients.append((value.detach(), x.grad))
    torch.testing.assert_close(*gradients)
    with torch.no_grad():
        assert loss(fake, real) == gradients[0][0]


def test_no_perceptual_loss_and_an_unknown_one():
    assert perceptual_loss("none", CPU) is None
    with pytest.raises(SmisError, match=r"unknown perceptual backbone 'vgg16'\. Did you mean 'vgg19'"):
        perceptual_loss("vgg16", CPU)


VGG19 = (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512)  # up to conv5_1


@pytest.fixture
def vgg_weights(tmp_path, monkeypatch):
    """A file of random weights in torchvision's format, its unread layers as views of one zero."""
    import torchvision

    with torch.device("meta"):
        shapes = {key: value.shape for key, value in torchvision.models.vgg19().state_dict().items()}
    rng = torch.Generator().manual_seed(0)
    state = {}
    for key, shape in shapes.items():
        read = key.startswith("features.") and int(key.split(".")[1]) <= 28
        scale = math.sqrt(2 / math.prod(shape[1:])) if len(shape) > 1 else 0.1
        state[key] = scale * torch.randn(shape, generator=rng) if read else torch.zeros(()).expand(shape)
    torch.save(state, tmp_path / "vgg19-dcbb9e9d.pth")
    monkeypatch.setenv("SMIS_WEIGHTS", str(tmp_path))
    return state


def test_vgg19_of_a_local_file_is_the_network_of_the_paper(vgg_weights):
    """relu1_1 .. relu5_1 of ImageNet-normalised images, weighted 1/32 .. 1 (pix2pixHD, SPADE)."""

    def features(x: torch.Tensor) -> list[torch.Tensor]:
        mean, spread = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
        x = ((x + 1) / 2 - mean) / spread
        taps, index, first_of_its_stage = [], 0, True
        for layer in VGG19:
            if layer == "M":
                x, index, first_of_its_stage = F.max_pool2d(x, 2), index + 1, True
                continue
            x = F.conv2d(x, vgg_weights[f"features.{index}.weight"], vgg_weights[f"features.{index}.bias"], padding=1).relu()
            index += 2
            if first_of_its_stage:
                taps.append(x)
            first_of_its_stage = False
        return taps

    fake, real = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    pairs = zip((1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), features(fake), features(real), strict=True)
    expected = sum(w * (a - b).abs().mean() for w, a, b in pairs)
    loss = perceptual_loss("vgg19", CPU)
    torch.testing.assert_close(loss(fake, real), expected, rtol=1e-4, atol=1e-5)
    assert loss(real, real) == 0


def test_missing_or_wrong_vgg19_weights_name_the_command_that_fetches_them(tmp_path, monkeypatch):
    monkeypatch.setenv("SMIS_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    command = rf"curl -L -o {tmp_path}/vgg19-dcbb9e9d.pth https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
    with pytest.raises(SmisError, match=command):
        perceptual_loss("vgg19", CPU)
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "vgg19-dcbb9e9d.pth")
    with pytest.raises(SmisError, match=rf"does not hold the weights of VGG19(.|\n)*{command}"):
        perceptual_loss("vgg19", CPU)
    (tmp_path / "vgg19-dcbb9e9d.pth").write_bytes(b"PK\3\4 cut off")
    with pytest.raises(SmisError, match=rf"truncated or not a state dict(.|\n)*{command}"):
        perceptual_loss("vgg19", CPU)


# --- the objective ----------------------------------------------------------------------------------------------------


def batch(n: int = 2) -> dict:
    rng = torch.Generator().manual_seed(0)
    label_map = torch.randint(8, (n, 32, 32), generator=rng)
    return {"image": torch.rand(n, 3, 32, 32, generator=rng) * 2 - 1, "labels": F.one_hot(label_map, 8).movedim(-1, 1).float()}


@pytest.mark.parametrize("model", presets.ABLATION)
def test_each_player_gets_finite_gradients_from_its_own_terms_only(model):
    networks = runs.build(presets.experiment(model, preset="smoke"))
    objective = VaeGanObjective(VaeGan(backbone="embedded"), perceptual_loss("embedded", CPU))
    networks.D.requires_grad_(False)
    terms, fake = objective.generator(networks, batch(), Noise(generator(0)), 1.0)
    assert terms.keys() == {"gan", "feature", "kl", "perceptual"}
    ends = networks.E.mu.weight, networks.G.to_rgb.weight
    for name, term in terms.items():
        gradients = torch.autograd.grad(term, ends, retain_graph=True, allow_unused=True)
        reached = [g is not None and bool(g.abs().max() > 0) for g in gradients]
        assert reached == [True, name != "kl"], name
    sum(terms.values()).backward()
    assert all(p.grad is None for p in networks.D.parameters())
    for player in (networks.G, networks.E):
        assert all(p.grad.isfinite().all() for p in player.parameters())
        assert any(p.grad.abs().max() > 0 for p in player.parameters())
    networks.zero_grad()
    networks.D.requires_grad_(True)
    sum(objective.discriminator(networks, batch(), fake.detach(), Noise(generator(1))).values()).backward()
    learnt = [p.grad for name, p in networks.D.named_parameters() if name.endswith("original")]
    assert all(g.isfinite().all() and g.abs().max() > 0 for g in learnt)
    assert all(p.grad is None for player in (networks.G, networks.E) for p in player.parameters())


def test_the_weights_of_the_terms():
    networks = runs.build(presets.experiment("groupdnet", preset="smoke")).eval()

    def terms(progress: float = 1.0, **weights) -> dict[str, float]:
        objective = VaeGanObjective(VaeGan(**weights), Perceptual(lambda x: [x], (1.0,)))
        return {k: v.item() for k, v in objective.generator(networks, batch(), Noise(generator(0)), progress)[0].items()}

    one, other = terms(feature=1, perceptual=1, kl=1), terms(feature=10, perceptual=3, kl=0.05)
    factors = {"gan": 1, "feature": 10, "perceptual": 3, "kl": 0.05}
    assert other == pytest.approx({k: factors[k] * v for k, v in one.items()}, rel=1e-5)
    full = terms()["kl"]
    for progress, share in ((0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (0.9, 1.0)):
        risen = terms(progress, kl_warmup=0.4)
        assert risen["kl"] == pytest.approx(share * full, rel=1e-5)
        assert risen["gan"] == terms()["gan"]


def test_a_code_is_its_mean_and_a_deviation_of_noise():
    networks = torch.nn.Module()
    networks.E = lambda image, labels: (torch.full((4, 2, 1, 1), 5.0), torch.full((4, 2, 1, 1), math.log(9.0)))
    networks.G = lambda labels, z: z
    example = {"image": torch.zeros(4, 3, 8, 8), "labels": torch.zeros(4, 1, 8, 8)}
    found = VaeGanObjective(VaeGan(), None).fake(networks, example, Noise(generator(0)))
    torch.testing.assert_close(found, 5 + 3 * Noise(generator(0)).normal((4, 2, 1, 1)))


def test_the_embedded_perceptual_loss_sees_the_image_itself():
    """A change that the network is blind to costs its own L1."""
    loss, real = perceptual_loss("embedded", CPU), torch.rand(1, 3, 32, 32, generator=generator("real")) - 0.5
    fake = real + 0.125
    features = loss.features
    loss.features = lambda x: [x, *(0 * f for f in features(x)[1:])]
    assert loss(fake, real).item() == pytest.approx(0.125, rel=1e-5)


def test_d_judges_real_and_fake_by_the_hinge_of_every_scale():
    networks = runs.build(presets.experiment("groupdnet", preset="smoke")).eval()
    example, fake = batch(), torch.rand(2, 3, 32, 32)
    found = VaeGanObjective(VaeGan(), None).discriminator(networks, example, fake, Noise(generator(0)))["hinge"]
    on_real = networks.D(torch.cat([example["labels"], example["image"]], 1))
    on_fake = networks.D(torch.cat([example["labels"], fake], 1))
    expected = sum(hinge_d(r[-1], f[-1]) for r, f in zip(on_real, on_fake, strict=True)) / 2
    torch.testing.assert_close(found, expected)


@configured(max_examples=20)
@given(n=st.integers(1, 4), world=st.integers(1, 4), rest=st.lists(st.integers(1, 3), max_size=3))
def test_noise_does_not_depend_on_the_number_of_devices(n, world, rest):
    whole = Noise(generator("k"))
    parts = [Noise(generator("k"), rank, world) for rank in range(world)]
    for _ in range(2):  # the second draw continues where the first ended
        drawn = whole.normal((n * world, *rest))
        together = torch.stack([p.normal((n, *rest)) for p in parts], 1).flatten(0, 1)
        assert torch.equal(together, drawn)
