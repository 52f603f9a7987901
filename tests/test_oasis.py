"""OASIS: 3-D noise that is honoured, a loss that is balanced, LabelMix, and what no label says."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as reference

from smislib import papers, presets, runs, sample, schedules
from smislib.config import DataSpec
from smislib.data.spec import Classes
from smislib.errors import SmisError
from smislib.evaluate import evaluate
from smislib.losses import PairedGan
from smislib.metrics import lpips, realism, segmentation, variation
from smislib.models import MODELS, oasis
from smislib.sample import Noise, draw, generate, generator
from smislib.segmentation_gan import (
    SegmentationGan,
    SegmentationGanObjective,
    consistency,
    labelmix_mask,
    pixel_weights,
    segmentation_loss,
)
from smislib.train import train

C, SIZE = 4, 32


def a_batch(n: int = 2, seed: int = 0) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    label_map = torch.randint(C, (n, 4, 4), generator=rng).repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels = F.one_hot(label_map, C).movedim(-1, 1).float()
    return {"image": torch.rand(n, 3, SIZE, SIZE, generator=rng) * 2 - 1, "labels": labels}


def networks(model: str = "oasis", seed: int = 0, **size) -> nn.Module:
    torch.manual_seed(seed)
    return MODELS[model].networks(schedules.schedule(model, "smoke", SIZE, SIZE, C, **size))


# --- noise ------------------------------------------------------------------------------------------------------------


def test_a_vector_is_the_map_that_repeats_it():
    nets, labels, z = networks().eval(), a_batch()["labels"], torch.randn(2, 8)
    as_map = z[:, :, None, None].expand(-1, -1, SIZE, SIZE)
    with torch.no_grad():
        one, same, other = nets.G(labels, z), nets.G(labels, as_map), nets.G(labels, z + 1)
    torch.testing.assert_close(one, same)
    assert (one - other).abs().amax((1, 2, 3)).min() > 1e-3


def test_noise_reaches_only_what_is_near():
    """A map that differs in one corner changes the image there; the change does not cross the frame.

    At the start grid, 4x4 cells, the first layer and the blocks look 5 cells far, so it takes a wider frame to see an end.
    """
    torch.manual_seed(0)
    s = oasis.Schedule(C=C, height=16, width=128, channels=(8, 8), z_dim=4, hidden=4, d_channels=(4, 4))
    G = oasis.Generator(s).eval()
    labels = torch.zeros(1, C, 16, 128)
    labels[:, 0] = 1
    z = torch.randn(1, 4, 16, 128, requires_grad=True)
    G(labels, z)[..., 40:].abs().sum().backward()
    touched = z.grad.abs().sum((0, 1, 2)) > 0
    assert touched[48:].any()
    assert not touched[:8].any()
    moved = z.detach().clone()
    moved[..., :8] += 1
    with torch.no_grad():
        change = (G(labels, moved) - G(labels, z)).abs().amax((0, 1, 2))
    assert change[:8].min() > 0
    assert change[40:].max() == 0


@pytest.mark.parametrize("z", [None, torch.zeros(2, 7), torch.zeros(2, 8, 16, 16)])
def test_noise_of_another_shape_is_refused(z):
    with pytest.raises(SmisError, match=r"expected a vector \(N,8\) or a map \(N,8,32,32\)"):
        networks().G(a_batch()["labels"], z)


def test_one_map_for_the_image_its_classes_or_its_pixels():
    nets, labels = networks(), a_batch()["labels"][:1]
    region = labels[0].argmax(0)
    maps = {each: sample.noise_map(nets, labels, 3, generator(0), each) for each in sample.NOISE}
    found = {each: len(torch.unique(z[0].flatten(1).T, dim=0)) for each, z in maps.items()}
    assert found == {"image": 1, "class": len(region.unique()), "pixel": SIZE * SIZE}
    for z in maps.values():
        assert z.shape == (3, 8, SIZE, SIZE)
        assert (z[0] != z[1]).any()
    for c in region.unique():
        assert (maps["class"][:, :, region == c].std(2, correction=0) < 1e-6).all()


def test_resampling_a_class_leaves_the_noise_of_the_others():
    nets, labels, rng = networks().eval(), a_batch()["labels"][:1], generator(1)
    z, c = draw(nets, 1, rng), int(labels[0].argmax(0)[0, 0])
    codes = sample.resample(nets, z, c, 3, rng, labels)
    inside = labels[0, c] > 0
    assert (codes[:, :, ~inside] == z[:, :, None]).all()
    assert (codes[0][:, inside] != codes[1][:, inside]).all()
    again = sample.resample(nets, codes[:1], c, 2, rng, labels)  # from a map
    assert (again[:, :, ~inside] == codes[:1][:, :, ~inside]).all()
    with pytest.raises(SmisError, match="give the `labels`"):
        sample.resample(nets, z, c, 3, rng)
    images = sample.vary(nets, labels, c, 3, generator(2))
    change = (images[0] - images[1]).abs().amax(0)
    assert change[inside].mean() > 2 * change[~inside].mean()
    with pytest.raises(SmisError, match="no 3-D noise"):
        sample.noise_map(networks("spade_vae"), labels, 1, rng)


# --- losses -----------------------------------------------------------------------------------------------------------


def test_balanced_weights_give_each_class_of_the_batch_the_same_total():
    labels = a_batch(3)["labels"]
    weights = pixel_weights(labels)
    assert weights.sum().item() == pytest.approx(labels[:, 0].numel(), rel=1e-5)
    totals = (weights[:, None] * labels).sum((0, 2, 3))
    present = totals[totals > 0]
    torch.testing.assert_close(present, present.mean().expand_as(present))
    assert torch.equal(pixel_weights(labels, balanced=False), torch.ones_like(weights))
    labels[1:] = 0
    assert pixel_weights(labels).sum().item() == pytest.approx(weights.numel(), rel=1e-5)
    assert not pixel_weights(torch.zeros_like(labels)).any()


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("unlabelled", [None, 2])
def test_a_pixel_without_a_label_does_not_matter(balanced, unlabelled):
    labels, rng = a_batch()["labels"], torch.Generator().manual_seed(3)
    if unlabelled is None:
        labels[:, :, 5:9, 3:20] = 0
        dark = labels.sum(1) == 0
    else:
        dark = labels[:, unlabelled] > 0
    assert dark.any()
    assert not dark.all()
    weights = pixel_weights(labels, balanced=balanced, unlabelled=unlabelled)
    logits = torch.randn(2, C + 1, SIZE, SIZE, generator=rng)
    other = torch.where(dark[:, None], 10 * torch.randn(logits.shape, generator=rng), logits)
    for fake in (False, True):
        a, b = (segmentation_loss(x, labels, weights, fake=fake) for x in (logits, other))
        torch.testing.assert_close(a, b)
        assert segmentation_loss(other + torch.eye(C + 1)[0, :, None, None], labels, weights, fake=fake) != b


def test_the_loss_is_the_mean_over_classes_of_each_ones_cross_entropy():
    labels, logits = a_batch()["labels"], torch.randn(2, C + 1, SIZE, SIZE)
    each = F.cross_entropy(logits, labels.argmax(1) + 1, reduction="none")
    means = [each[labels[:, c] > 0].mean() for c in range(C) if labels[:, c].any()]
    torch.testing.assert_close(segmentation_loss(logits, labels, pixel_weights(labels)), sum(means) / len(means))
    ones = torch.ones(2, SIZE, SIZE)
    expected = -logits.log_softmax(1)[:, 0].mean()  # the class of what is generated
    torch.testing.assert_close(segmentation_loss(logits, labels, ones, fake=True), expected)


def test_labelmix_throws_one_coin_for_each_class_of_each_image():
    labels = a_batch(8)["labels"]
    labels[:, :, :4, :4] = 0
    mask = labelmix_mask(labels, Noise(generator(0)))
    assert mask.shape == (8, 1, SIZE, SIZE)
    for n in range(8):
        for region in (*(labels[n] > 0), labels[n].sum(0) == 0):
            assert len(mask[n, 0][region].unique()) == (1 if region.any() else 0)
    assert 0.2 < mask.float().mean() < 0.8
    assert torch.equal(mask, labelmix_mask(labels, Noise(generator(0))))
    assert not torch.equal(mask, labelmix_mask(labels, Noise(generator(1))))
    first, second = (labelmix_mask(labels[:1].expand(8, -1, -1, -1), Noise(generator(k))) for k in (0, 1))
    assert len(torch.cat([first, second]).flatten(1).unique(dim=0)) > 3  # images have coins of their own


def test_pixels_without_a_label_have_a_coin_of_their_own():
    labels = torch.zeros(64, C, 2, 2)
    labels[:, 0, 0] = 1  # class 0 above, nothing below
    mask = labelmix_mask(labels, Noise(generator(0)))[:, 0, :, 0]
    assert {tuple(row) for row in mask.tolist()} == {(a, b) for a in (False, True) for b in (False, True)}


def test_a_discriminator_that_sees_single_pixels_is_consistent_and_one_that_sees_more_is_not():
    batch, fake = a_batch(), a_batch(seed=1)["image"]
    mask = labelmix_mask(batch["labels"], Noise(generator(0)))
    assert mask.float().mean() not in (0, 1)
    for kernel, zero in ((1, True), (3, False)):
        torch.manual_seed(0)
        D = nn.Conv2d(3, C + 1, kernel, padding=kernel // 2)
        found = consistency(D(torch.where(mask, batch["image"], fake)), D(batch["image"]), D(fake), mask)
        assert (found < 1e-12) == zero


def test_the_terms_and_their_switches():
    batch, rng = a_batch(), generator(0)

    def terms(distance=None, **weights) -> tuple[set, set]:
        nets = networks()
        objective = SegmentationGanObjective(SegmentationGan(**weights), distance)
        g, fake = objective.generator(nets, batch, Noise(rng), 0.0)
        return set(g), set(objective.discriminator(nets, batch, fake.detach(), Noise(rng)))

    assert terms() == ({"segmentation"}, {"real", "fake", "labelmix"})
    assert terms(labelmix=0.0) == ({"segmentation"}, {"real", "fake"})
    found = terms(lambda fake, real: (fake - real).abs().mean(), perceptual=10.0, backbone="embedded")
    assert found[0] == {"segmentation", "perceptual"}


def test_the_objective_is_that_of_the_paper():
    """D's terms from three forward passes instead of one, and G's with the labels that it was given."""
    nets, batch, fake = networks().eval(), a_batch(), a_batch(seed=1)["image"]
    labels, image = batch["labels"], batch["image"]
    objective = SegmentationGanObjective(SegmentationGan(), None)
    with torch.no_grad():
        found = objective.discriminator(nets, batch, fake, Noise(generator(5)))
        mask = labelmix_mask(labels, Noise(generator(5)))
        real, fakes, mixed = (nets.D(x) for x in (image, fake, torch.where(mask, image, fake)))
        ones = torch.ones(2, SIZE, SIZE)
        expected = {
            "real": segmentation_loss(real, labels, pixel_weights(labels)),
            "fake": segmentation_loss(fakes, labels, ones, fake=True),
            "labelmix": 10 * consistency(mixed, real, fakes, mask),
        }
        torch.testing.assert_close(found, expected)
        terms, made = objective.generator(nets, batch, Noise(generator(6)), 0.0)
        again = nets.G(labels, Noise(generator(6)).normal((2, 8)))
        assert torch.equal(made, again)
        torch.testing.assert_close(terms["segmentation"], segmentation_loss(nets.D(made), labels, pixel_weights(labels)))


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("unlabelled", [None, 2])
def test_both_players_weigh_pixels_as_the_experiment_says(balanced, unlabelled):
    """By cross entropies of each class: a mean of them, or over pixels; the class that stands for "no label" is in neither."""
    nets, batch, fake = networks().eval(), a_batch(), a_batch(seed=1)["image"]
    labels, image = batch["labels"], batch["image"]
    seen = [c for c in range(C) if c != unlabelled and labels[:, c].any()]
    assert len(seen) == (4 if unlabelled is None else 3)

    def expected(errors: Tensor, balanced: bool) -> Tensor:
        of_class = [errors[labels[:, c] > 0] for c in seen]
        if balanced:
            return torch.stack([of.mean() for of in of_class]).mean()
        return torch.cat(of_class).sum() / sum(map(len, of_class))

    def errors(images: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(nets.D(images), target, reduction="none")

    distance = lambda fake, real: (fake - real).abs().mean()  # noqa: E731
    weights = SegmentationGan(balanced=balanced, unlabelled=unlabelled, labelmix=0.0, perceptual=3.0, backbone="embedded")
    objective = SegmentationGanObjective(weights, distance)
    with torch.no_grad():
        g, made = objective.generator(nets, batch, Noise(generator(6)), 0.0)
        d = objective.discriminator(nets, batch, fake, Noise(generator(5)))
        true, false = labels.argmax(1) + 1, torch.zeros(2, SIZE, SIZE, dtype=torch.long)
        torch.testing.assert_close(g["segmentation"], expected(errors(made, true), balanced))
        torch.testing.assert_close(d["real"], expected(errors(image, true), balanced))
        torch.testing.assert_close(d["fake"], expected(errors(fake, false), False))  # of fakes every pixel counts alike
        torch.testing.assert_close(g["perceptual"], 3 * distance(made, image))


def test_the_instance_edge_is_not_looked_at():
    nets, batch = networks(instance_edge=True).eval(), a_batch()
    z, objective = torch.randn(2, 8), SegmentationGanObjective(SegmentationGan(), None)
    images, losses = [], []
    for edge in (torch.zeros(2, 1, SIZE, SIZE), torch.ones(2, 1, SIZE, SIZE)):
        labels = torch.cat([batch["labels"], edge], 1)
        with torch.no_grad():
            images.append(nets.G(labels, z))
            losses.append(objective.discriminator(nets, batch | {"labels": labels}, images[-1], Noise(generator(0))))
    assert torch.equal(*images)
    assert losses[0] == losses[1]


def test_the_patch_row_draws_its_noise():
    nets, batch = networks("oasis_patch").eval(), a_batch()
    objective = MODELS["oasis_patch"].objective(PairedGan(feature=0.0, perceptual=0.0, backbone="none"), None)
    (a, one), (_, other) = (objective.generator(nets, batch, Noise(generator(k)), 0.0) for k in (0, 1))
    assert set(a) == {"gan"}
    assert (one - other).abs().max() > 1e-3
    objective.discriminator(nets, batch, one.detach(), Noise(generator(2)))["hinge"].backward()
    assert any(p.grad is not None and p.grad.any() for p in nets.D.parameters())


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_ms_ssim_is_that_of_torchmetrics_where_its_five_scales_fit():
    rng = torch.Generator().manual_seed(0)
    a = F.interpolate(torch.rand(3, 3, 24, 28, generator=rng), (192, 224), mode="bilinear") * 2 - 1
    b = (a + 0.3 * torch.randn(a.shape, generator=rng)).clamp(-1, 1)
    assert variation.scales(192, 224) == 5
    # theirs averages over channels before it multiplies the scales: one channel at a time they agree
    ours = torch.stack([variation.ms_ssim(a[:, [c] * 3], b[:, [c] * 3]) for c in range(3)], 1)
    theirs = [reference((a[:, [c]] + 1) / 2, (b[:, [c]] + 1) / 2, data_range=1.0, reduction="none") for c in range(3)]
    assert 0.2 < ours.min() < ours.max() < 0.95
    torch.testing.assert_close(ours, torch.stack(theirs, 1), atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(variation.ms_ssim(a, b), ours.mean(1))


def test_ms_ssim_counts_brightness_at_the_coarsest_scale_alone():
    """Of flat images contrast and structure are one: what is left is the luminance, to the power of the last weight."""
    a, b = torch.full((1, 3, 48, 48), -0.6), torch.full((1, 3, 48, 48), 0.2)  # 0.2 and 0.6 in [0,1]
    luminance = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    weight = 0.3001 / (0.0448 + 0.2856 + 0.3001)
    assert variation.ms_ssim(a, b).item() == pytest.approx(luminance**weight, rel=1e-3)


def test_ms_ssim_of_small_images_has_fewer_scales():
    assert [variation.scales(n, 100) for n in (11, 21, 22, 48, 176)] == [1, 1, 2, 3, 4]
    a = torch.rand(2, 3, 48, 48) * 2 - 1
    torch.testing.assert_close(variation.ms_ssim(a, a), torch.ones(2))
    noisier = [variation.ms_ssim(a, (a + s * torch.randn_like(a)).clamp(-1, 1)).mean() for s in (0.1, 0.5)]
    assert 1 > noisier[0] > noisier[1]
    with pytest.raises(SmisError, match="10x48; the window of MS-SSIM needs at least 11"):
        variation.scales(10, 48)


@pytest.mark.parametrize(("value", "message"), [(math.nan, "NaN or infinite"), (None, "one image per code")])
def test_samples_that_are_no_images_are_refused(value, message):
    def sample(labels: Tensor, k: int, rng: torch.Generator) -> Tensor:
        return labels if value is None else torch.full((k, 3, 32, 32), value)

    with pytest.raises(SmisError, match=message):
        variation.measure({"image": sample}, torch.ones(2, 4, 32, 32), n=2, m=2, distance=lpips.embedded())


def test_colour_and_texture_are_told_apart():
    rng = torch.Generator().manual_seed(0)
    smooth = F.interpolate(torch.rand(6, 3, 4, 4, generator=rng), (32, 32), mode="bilinear") * 2 - 1
    other = F.interpolate(torch.rand(6, 3, 4, 4, generator=rng), (32, 32), mode="bilinear") * 2 - 1
    shuffled = smooth.flatten(2)[..., torch.randperm(1024, generator=rng)].view_as(smooth)

    def distances(a: Tensor, b: Tensor) -> list[float]:
        return [m.value for m in realism.measure([a], [b], n_boot=20)]

    assert distances(smooth, smooth) == [0, 0]
    same_colour, same_texture = distances(smooth, shuffled), distances(smooth, other * 0.4 + 0.5)
    assert same_colour[0] == pytest.approx(0, abs=1e-9)
    assert same_colour[1] > 0.2
    assert same_texture[0] > 0.3
    assert same_texture[1] < 0.1
    white, black = torch.ones(2, 3, 16, 16), -torch.ones(2, 3, 16, 16)
    assert distances(white, black)[0] == pytest.approx(1)
    with pytest.raises(SmisError, match="2 real images but 3"):
        realism.measure([white], [torch.ones(3, 3, 16, 16)])


def test_rare_classes_are_the_half_with_the_fewest_pixels():
    label_map = torch.zeros(4, 8, 8, dtype=torch.long)
    label_map[:, :4], label_map[:, 0, :4], label_map[:, 1, 0] = 1, 2, 3  # pixels: 32, 27, 4, 1
    found = label_map.clone()
    found[:, 4:] = 1  # class 0 is lost: does not matter
    found[:2, 1, 0] = 0  # half of class 3

    class Reads:
        suffix, protocol, predicts = "[embedded]", {}, (0, 1, 2, 3)

        def __call__(self, images: Tensor) -> Tensor:
            return found

    classes = Classes(tuple("abcd"), ((0, 0, 0),) * 4)
    measured = segmentation.rare_classes(Reads(), [(torch.zeros(4, 3, 8, 8), label_map)], classes)
    assert measured.value == pytest.approx((1 + 0.5) / 2)
    assert measured.protocol["classes averaged"] == [2, 3]
    assert measured.interval[0] < measured.value < measured.interval[1]


def test_a_class_that_is_nowhere_or_that_nobody_predicts_is_not_rare():
    label_map = torch.zeros(2, 8, 8, dtype=torch.long)
    label_map[:, :3], label_map[:, 0], label_map[:, 7, 0] = 1, 2, 3  # pixels: 39, 16, 8, 1; of class 4 none

    class Reads:
        suffix, protocol, predicts = "", {}, (0, 1, 2, 4)  # all but class 3

        def __call__(self, images: Tensor) -> Tensor:
            return label_map.clamp(max=2)

    pairs = [(torch.zeros(2, 3, 8, 8), label_map)]
    measured = segmentation.rare_classes(Reads(), pairs, Classes(tuple("abcde"), ((0, 0, 0),) * 5))
    assert measured.protocol["classes averaged"] == [2]
    assert measured.value == pytest.approx(8 / 9)  # a pixel of class 3 is taken for it


def test_chi_square_by_hand():
    p, q = np.array([[0.5, 0.5, 0.0, 0.0], [1.0, 0, 0, 0]]), np.array([[0.25, 0.25, 0.5, 0.0], [1.0, 0, 0, 0]])
    expected = 0.5 * (0.25**2 / 0.75 + 0.25**2 / 0.75 + 0.5**2 / 0.5)
    np.testing.assert_allclose(realism.chi_square(p, q), [expected, 0])


def test_every_axis_of_colour_has_eight_bins_and_the_interval_is_of_both_sets():
    blue, yellow = torch.tensor([-1.0, -1, 1]), torch.tensor([1.0, 1, -1])
    teal, olive = (torch.tensor(rgb)[:, None, None].expand(3, 16, 16) for rgb in ((-1.0, 0.2, 0.3), (-0.4, 0.2, -1.0)))
    both = realism.histograms(torch.stack([c[:, None, None].expand(3, 16, 16) for c in (blue, yellow)]))["Colour"]
    cells = [np.unravel_index(row.argmax(), (8, 8, 8)) for row in both]
    # CIELAB of blue (32.3, 79.2, -107.9) and of yellow (97.1, -21.6, 94.5): L in steps of 12.5, a and b of 25 from -100
    assert [tuple(map(int, cell)) for cell in cells] == [(2, 7, 0), (7, 3, 7)]
    left, right = torch.stack([teal, olive]), torch.stack([olive, olive])
    colour = realism.measure([left], [right], n_boot=200)[0]
    assert colour.value == pytest.approx(0.5 * (0.5**2 / 0.5 + 0.5**2 / 1.5))
    assert colour.interval[0] < colour.value < colour.interval[1]


def test_both_measures_of_variation_are_of_neighbours_and_have_intervals_of_their_own():
    def sample(labels: Tensor, k: int, rng: torch.Generator) -> Tensor:
        made = torch.rand(1, 3, 16, 16, generator=rng) * 2 - 1
        drawn.append(torch.cat([made + 0.3 * j * torch.randn(1, 3, 16, 16, generator=rng) for j in range(k)]).clamp(-1, 1))
        return drawn[-1]

    drawn, distance = [], lpips.embedded()
    measured = variation.measure({"image": sample}, torch.ones(4, 1, 16, 16), n=4, m=3, distance=distance)
    by_hand = {
        "LPIPS[embedded]": [[distance(i[j, None], i[j + 1, None]).item() for j in range(3)] for i in drawn],
        "MS-SSIM": [[variation.ms_ssim(i[j, None], i[j + 1, None]).item() for j in range(3)] for i in drawn],
    }
    for found in measured:
        of_map = np.mean(by_hand[found.metric], 1)
        assert found.value == pytest.approx(of_map.mean(), rel=1e-4)
        assert of_map.min() <= found.interval[0] < found.value < found.interval[1] <= of_map.max()


@pytest.mark.parametrize("model", ["oasis", "oasis_patch_perceptual"])
def test_a_row_is_trained_averaged_loaded_and_measured(model, small, home):
    changes = {"train.steps": 2, "train.ema": 0.9, "evaluation.n_fid": 6, "data.n_test": 6}
    run = train(small(model, **changes), progress=False)
    records = evaluate(run, device="cpu", progress=False)
    metrics = {r.metric for r in records}
    assert {"FID[embedded]", "mIoU[embedded]", "Colour χ²", "Texture χ²"} <= metrics
    noise = {r.protocol["reading"] for r in records if r.metric == "MS-SSIM"}
    assert noise == set(sample.NOISE)
    assert "mCSD[embedded]" in metrics
    assert ("mIoU (rare classes)[embedded]" in metrics) == (model == "oasis")
    nets = runs.load(run.weights)
    labels = presets.batch(nets, n=2)["labels"]
    images = generate(nets, labels, draw(nets, 2, generator(0)))
    assert images.shape == (2, 3, 32, 32)


def test_a_unet_without_spectral_norm_starts_as_he_says_and_a_patchgan_does_not():
    """Its signal then keeps its size by itself, through leaky ReLUs of 0.2: deviation sqrt(2 / (1.04 fan in)). The PatchGAN, as
    wide as the first of `d_channels` and at two scales, stays SPADE's."""
    s = replace(schedules.schedule("oasis", "smoke", SIZE, SIZE, C), d_channels=(64, 32), d_last=64)
    for discriminator in ("segmentation", "patch"):
        weights = []
        for d_spectral in (True, False):
            torch.manual_seed(0)
            D = oasis.Networks(replace(s, d_spectral=d_spectral, discriminator=discriminator)).D
            weights.append([p.detach() for p in D.parameters()])
        if discriminator == "segmentation":
            for conv in (D.down[0].conv_1, D.up[1].conv_1):
                assert conv.weight.std().item() == pytest.approx((2 / (1.04 * 9 * 64)) ** 0.5, rel=0.03)
        else:
            assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
            assert [patch[0][0].out_channels for patch in D] == [64, 64]


# --- values -----------------------------------------------------------------------------------------------------------


def test_the_released_sizes():
    s = papers.SCHEDULES["oasis"]("paper", "ade20k", {"C": 151, "height": 256, "width": 256, "instance_edge": False})
    with torch.device("meta"):
        nets = MODELS["oasis"].networks(s)
    counts = [sum(p.numel() for p in player.parameters()) for player in (nets.G, nets.D)]
    assert counts == [74_314_691, 22_258_904]
    assert s.grid == (8, 8)


@pytest.mark.parametrize(
    ("name", "C", "steps", "batch", "ema", "lr_g", "labelmix", "unlabelled"),
    [
        ("ade20k", 151, 126_200, 32, 0.9999, 1e-4, 10.0, 150),
        ("cityscapes", 35, 29_600, 20, 0.999, 4e-4, 5.0, 0),
        ("coco_stuff", 183, 369_600, 32, 0.9999, 1e-4, 10.0, 182),
    ],
)
def test_the_released_training(name, C, steps, batch, ema, lr_g, labelmix, unlabelled):
    e = presets.assemble("oasis", "paper", 0, DataSpec(name, 256, 512 if name == "cityscapes" else 256))
    train = e.train
    assert (e.network.C, train.steps, train.batch, train.ema, train.lr_g) == (C, steps, batch, ema, lr_g)
    assert (train.lr_d, train.beta1, train.beta2, train.constant) == (4e-4, 0.0, 0.999, 1.0)
    assert e.loss == SegmentationGan(labelmix=labelmix, unlabelled=unlabelled)
    switched = {"oasis_unmixed": {"labelmix": 0.0}, "oasis_unbalanced": {"balanced": False}}
    for row, change in switched.items():
        other = presets.assemble(row, "paper", 0, e.data)
        assert vars(other.loss) == vars(e.loss) | change
        assert (other.network, other.train) == (e.network, e.train)


def test_a_frame_that_cannot_be_halved_is_a_message():
    with pytest.raises(SmisError, match=r"36x32 does not fit a generator with grids of 1/8"):
        oasis.Schedule(C=C, height=36, width=32, channels=(8, 8, 8, 8))
    with pytest.raises(SmisError, match=r"40x32 does not fit a discriminator with grids of 1/16"):
        oasis.Schedule(C=C, height=40, width=32, channels=(8, 8, 8), d_channels=(4, 4, 4, 4))


def test_generate_broadcasts_one_label_map_and_one_map_of_noise():
    nets, labels = networks().eval(), a_batch()["labels"]
    z = sample.noise_map(nets, labels[:1], 3, generator(0), "class")
    assert generate(nets, labels[:1], z).shape == (3, 3, SIZE, SIZE)
    assert generate(nets, labels, z[:1]).shape == (2, 3, SIZE, SIZE)
