"""Metrics on what is known: Gaussians with a closed form, hand-counted pixels, generators of known diversity."""

import math
import time
from dataclasses import replace
from functools import partial

import lpips
import numpy as np
import pytest
import scipy.linalg
import torch
import torchmetrics.functional.classification as reference
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from smislib import paths
from smislib.config import DataSpec
from smislib.data import classes, collate, open_split
from smislib.data import labels as labels_of
from smislib.data.formats import FORMATS
from smislib.data.spec import Classes
from smislib.errors import SmisError
from smislib.evaluate import HeldOut
from smislib.metrics import (
    METRICS,
    Measurement,
    backbones,
    bootstrap_weights,
    diversity,
    fid,
    inception,
    segformer,
    segmentation,
    speed,
    uncertainty,
)
from smislib.metrics import lpips as smis_lpips
from smislib.metrics.diversity import class_diversity, lpips_diversity
from smislib.metrics.train_backbones import LESSONS, Lessons, train_classifier, train_features, train_segmenter

SIZE = 32


def bands(C: int, n: int = 4) -> torch.Tensor:
    """Label maps (n,C,SIZE,SIZE): horizontal bands of equal height, each map rolled by one more class."""
    rows = torch.arange(SIZE) * C // SIZE
    maps = torch.stack([((rows + i) % C)[:, None].expand(SIZE, SIZE) for i in range(n)])
    return torch.nn.functional.one_hot(maps, C).movedim(-1, 1).float()


def painter(amplitude: float, everywhere: bool = False):
    """A generator of known diversity: flat colours; those of class c, or one for all, move by `amplitude`."""

    def sample(labels, c, k, rng):
        C = labels.shape[1]
        colours = torch.rand(1, C, 3, generator=rng).repeat(k, 1, 1) - 0.5
        change = amplitude * torch.randn(k, C, 3, generator=rng)
        if c is None:
            colours += change
        elif everywhere:
            colours = (colours + change)[:, :1].expand(-1, C, -1)
        else:
            colours[:, c] += change[:, c]
        return torch.einsum("nchw,kcd->kdhw", labels, colours)

    return sample


@pytest.fixture(scope="module")
def distance() -> smis_lpips.Lpips:
    """LPIPS on a random network: the tests below must hold whatever the weights."""
    torch.manual_seed(0)
    net = backbones.FeatureNet((8, 16)).requires_grad_(False)
    return smis_lpips.Lpips(net.features, [0.5, 0.5], name="random", suffix="[embedded]", weight_hash="-", implementation="test")


@pytest.fixture(scope="module")
def colour_distance() -> smis_lpips.Lpips:
    """The same formula on bare pixels, for tests that need many draws."""
    return smis_lpips.Lpips(lambda x: [x + 2], [1.0], name="rgb", suffix="", weight_hash="-", implementation="test")


@pytest.fixture(scope="module")
def pictures() -> dict:
    data = open_split(DataSpec("mannequins", 64, 64, n_train=8, n_test=128, seed=3), "test")
    return {k: torch.stack([data[i][k] for i in range(len(data))]) for k in ("image", "label_map")}


# mCSD and mOCD


def test_a_generator_that_varies_only_inside_the_class_has_mocd_zero(distance):
    found = [class_diversity(painter(a), bands(4), 4, n=3, m=4, distance=distance)["masked"] for a in (0.05, 0.1, 0.2, 0.4)]
    assert all(np.nanmax(d.outside) == 0.0 for d in found)  # exactly, in every cell
    mcsd = [d.mcsd for d in found]
    assert mcsd == sorted(mcsd) and mcsd[-1] > 4 * mcsd[0] > 0
    assert all(math.isinf(d.measurements(50)[2].value) for d in found)


def test_a_generator_that_varies_everywhere_has_mocd_near_mcsd(distance):
    both = {"n": 6, "m": 19, "distance": distance, "readings": ("masked", "spatial")}
    two = class_diversity(painter(0.2, everywhere=True), bands(2, 6), 2, **both)  # both regions have half of the frame
    assert two["masked"].mocd == pytest.approx(two["masked"].mcsd, rel=0.05)
    assert two["spatial"].mocd == pytest.approx(two["spatial"].mcsd, rel=0.05)
    six = class_diversity(painter(0.2, everywhere=True), bands(6, 6), 6, **both)
    assert six["spatial"].mocd == pytest.approx(six["spatial"].mcsd, rel=0.05)
    # shares of 1/6 and 5/6 would give 5, less what the grey feels of a thin band across its edges
    assert 2.5 < six["masked"].mocd / six["masked"].mcsd < 5
    assert 0.5 < six["masked"].per_area().mocd / six["masked"].per_area().mcsd < 1


def test_a_deterministic_generator_has_no_diversity(distance):
    for d in class_diversity(painter(0), bands(3), 3, n=2, m=3, distance=distance, readings=("masked", "spatial")).values():
        assert d.mcsd == d.mocd == 0.0
        assert math.isnan(d.measurements(50)[2].value)
    assert lpips_diversity(painter(0), bands(3), m=3, distance=distance).value == 0.0


def test_the_spatial_reading_leaks_and_the_masked_does_not(distance, record_property):
    found = class_diversity(painter(0.3), bands(4), 4, n=4, m=4, distance=distance, readings=("masked", "spatial"))
    leak = found["spatial"].mocd / found["spatial"].mcsd
    record_property("spatial leak, mOCD/mCSD", leak)
    assert found["masked"].mocd == 0 < found["spatial"].mocd
    assert 0.001 < leak < 0.25


@pytest.mark.parametrize("what", ["n", "m"])
def test_mcsd_converges_with_the_square_root(colour_distance, what):
    def spread(n, m):
        labels = bands(2).repeat(8, 1, 1, 1)
        values = [
            class_diversity(painter(0.3), labels, 2, n=n, m=m, distance=colour_distance, seed=s)["masked"].mcsd for s in range(50)
        ]
        return np.std(values)

    ratio = spread(2, 2) / (spread(18, 2) if what == "n" else spread(2, 18))
    assert 2 < ratio < 4.5  # 9 times as many: 3 times the precision, give or take the noise of 50 seeds


def test_a_cell_depends_on_seed_class_and_map_alone(colour_distance):
    few = class_diversity(painter(0.2), bands(3), 3, n=2, m=3, distance=colour_distance)["masked"]
    many = class_diversity(painter(0.2), bands(3), 3, n=4, m=3, distance=colour_distance)["masked"]
    other = class_diversity(painter(0.2), bands(3), 3, n=2, m=3, distance=colour_distance, seed=1)["masked"]
    assert np.array_equal(many.inside[:, :2], few.inside)
    assert not np.any(other.inside == few.inside)


def test_a_pool_that_is_read_when_asked_measures_the_same(colour_distance, home):
    spec = DataSpec("streets", 32, 64, n_train=1, n_test=5)
    pool, split = HeldOut(spec, 4), open_split(spec, "test")
    whole = labels_of(collate([split[i] for i in range(4)]), classes(spec))  # with the instance edge
    read = []
    reading = HeldOut.batch
    pool.batch = lambda part: read.append(part) or reading(pool, part)
    lazy, at_once = (
        class_diversity(painter(0.2), labels, 12, n=2, m=2, distance=colour_distance)["masked"] for labels in (pool, whole)
    )
    assert np.array_equal(lazy.inside, at_once.inside, equal_nan=True) and np.array_equal(lazy.share, at_once.share)
    assert lazy.protocol == at_once.protocol and len(read) > 4 and all(p.indices(4)[1] - p.indices(4)[0] == 1 for p in read)
    lazy, at_once = (lpips_diversity(painter(0.2), labels, n=3, m=2, distance=colour_distance) for labels in (pool, whole))
    assert lazy == at_once and lazy.protocol["n"] == 3
    assert torch.equal(
        torch.cat([batch["image"] for batch in pool.batches()]), torch.stack([split[i]["image"] for i in range(4)])
    )
    with pytest.raises(SmisError, match="has 5 images, the protocol asks for 6"):
        HeldOut(spec, 6)


def test_codes_are_paired_consecutively_and_averaged(distance):
    labels, c, m = bands(3), 1, 3
    drawn = []

    def sample(*arguments):
        drawn.append(painter(0.2)(*arguments))
        return drawn[-1]

    found = class_diversity(sample, labels, 3, n=1, m=m, distance=distance, readings=("masked", "spatial"))
    images = drawn[c]
    painted = torch.where(labels[0, c] > 0, images, 0.0)
    assert found["masked"].inside[c, 0] == pytest.approx(distance(painted[:-1], painted[1:]).mean().item(), rel=1e-5)
    maps = distance.spatial(images[:-1], images[1:])
    by_hand = (maps * labels[0, c]).sum() / labels[0, c].sum() / m
    assert found["spatial"].inside[c, 0] == pytest.approx(by_hand.item(), rel=1e-5)


def test_a_class_that_no_label_map_contains_is_listed(distance):
    labels = torch.cat([bands(3), torch.zeros(4, 2, SIZE, SIZE)], 1)  # class 3 is nowhere; channel 4 is not a class
    found = class_diversity(painter(0.2), labels, 4, n=2, m=2, distance=distance)["masked"]
    assert found.skipped == (3,) and np.isnan(found.inside[3]).all()
    assert np.isfinite([found.mcsd, found.mocd, *found.measurements(20)[0].interval]).all()
    assert found.protocol["skipped classes"] == [3] and found.protocol["n per class"] == [2, 2, 2, 0]
    with pytest.raises(SmisError, match="none of the 1 label maps"):
        class_diversity(painter(0.2), torch.ones(1, 1, SIZE, SIZE), 1, n=1, m=1, distance=distance)


def test_bootstrap_weighs_a_rare_class_as_the_mean_does(colour_distance):
    labels = bands(3, 12)
    labels[3:, 1] += labels[3:, 2]  # class 2 is on the first 3 of 12 maps only
    labels[3:, 2] = 0
    d = class_diversity(painter(0.3), labels, 3, n=12, m=30, distance=colour_distance)["masked"]
    assert np.isfinite(d.inside).sum(1).tolist() == [12, 12, 3]
    assert d.bootstrap(500)["mCSD"].mean() == pytest.approx(d.mcsd, rel=0.02)


def test_intervals_of_each_metric_are_of_its_own_distances():
    nan = np.nan
    inside, outside = np.array([[1.0, 2, nan], [4, nan, 8], [nan] * 3]), np.array([[10.0, 30, nan], [20, nan, 60], [nan] * 3])
    d = diversity.ClassDiversity(inside, outside, np.full((3, 3), 0.5), (2,), {"reading": "masked"})
    assert (d.mcsd, d.mocd) == ((1.5 + 6) / 2, (20 + 40) / 2)
    found = d.bootstrap(300, seed=4)
    for name, values in (("mCSD", inside), ("mOCD", outside)):
        by_hand = []
        for w in bootstrap_weights(3, 300, 4):
            first, second = (np.nansum(w * row) / w[~np.isnan(row)].sum() for row in values[:2])
            by_hand.append((first + second) / 2)
        np.testing.assert_allclose(found[name], by_hand)
    np.testing.assert_allclose(found["mCSD/mOCD"], found["mCSD"] / found["mOCD"])


def test_intervals_hold_the_middle_95_of_100():
    found = uncertainty(np.random.default_rng(0).permutation(np.arange(1000.0)))
    assert found["interval"] == (24, 974)
    assert found["spread"] == pytest.approx(1000 / 12**0.5, rel=1e-3)


def test_each_label_map_has_codes_of_its_own(colour_distance):
    keys = []

    def sample(labels, c, k, rng):
        keys.append(torch.rand((), generator=rng).item())
        return painter(0.2)(labels, c, k, rng)

    lpips_diversity(sample, bands(2), m=2, distance=colour_distance)
    assert len(set(keys)) == len(keys) == 4


def test_diversity_refuses_what_it_cannot_read(distance):
    with pytest.raises(SmisError, match="Did you mean 'masked'"):
        class_diversity(painter(0.2), bands(2), 2, n=1, m=1, distance=distance, readings=("mask",))
    with pytest.raises(SmisError, match="fewer than the 5 classes"):
        class_diversity(painter(0.2), bands(2), 5, n=1, m=1, distance=distance)
    with pytest.raises(SmisError, match="one image per code"):
        class_diversity(lambda labels, c, k, rng: labels, bands(2), 2, n=1, m=1, distance=distance)
    with pytest.raises(SmisError, match="NaN"):
        class_diversity(painter(math.nan), bands(2), 2, n=1, m=1, distance=distance)


def test_bootstrap_intervals_are_seeded_and_honest(colour_distance):
    labels = bands(2).repeat(5, 1, 1, 1)
    truth = class_diversity(painter(0.3), labels, 2, n=20, m=100, distance=colour_distance, seed=99)["masked"].mcsd
    covered = 0
    for s in range(20):
        d = class_diversity(painter(0.3), labels, 2, n=20, m=3, distance=colour_distance, seed=s)["masked"]
        low, high = d.measurements(200, seed=1)[0].interval
        assert low < d.mcsd < high
        covered += low < truth < high
    assert covered >= 16  # 95 % of 20 is 19
    assert np.array_equal(d.bootstrap(50, seed=1)["mCSD"], d.bootstrap(50, seed=1)["mCSD"])
    assert not np.array_equal(d.bootstrap(50, seed=1)["mCSD"], d.bootstrap(50, seed=2)["mCSD"])


# LPIPS


def test_lpips_is_a_distance(distance):
    a, b = torch.rand(2, 3, 3, 40, 36) * 2 - 1
    assert torch.equal(distance(a, a), torch.zeros(3))
    assert torch.equal(distance(a, b), distance(b, a)) and (distance(a, b) > 0).all()
    assert distance.spatial(a, b).shape == (3, 40, 36)
    with pytest.raises(SmisError, match=r"found a tensor of shape \(3, 40, 36\)"):
        distance(a[0], b[0])


def test_embedded_lpips_sees_colour_pattern_and_shape(pictures):
    see, image = smis_lpips.embedded(), pictures["image"][:16]
    noise = (image + 0.02 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    assert (see(image, noise) < see(image, image.roll(1, 0))).all()  # another person is further than a little noise
    assert (see(image, image.flip(1)) > 0).all()  # red and blue exchanged
    assert (see(image, image) == 0).all() and (see(image, -image) <= 2).all()


def test_alexnet_lpips_is_that_of_the_lpips_package(tmp_path, monkeypatch):
    torch.manual_seed(0)
    official = torchvision.models.alexnet(weights=None)
    trunk = {k: v for k, v in official.state_dict().items() if k.startswith("features")}  # the rest is 200 MB, not read
    torch.save(trunk, tmp_path / "alexnet-owt-7be5be79.pth")
    monkeypatch.setenv("SMIS_WEIGHTS", str(tmp_path))
    ours = smis_lpips.alexnet()
    theirs = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    for name, value in theirs.net.state_dict().items():
        value.copy_(official.state_dict()[f"features.{name.split('.', 1)[1]}"])
    a, b = torch.rand(2, 2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(ours(a, b), theirs(a, b).flatten(), rtol=1e-4)
        theirs.spatial = True
        assert torch.allclose(ours.spatial(a, b), theirs(a, b)[:, 0], rtol=1e-3, atol=1e-7)
    assert ours.weight_hash == backbones.file_hash(tmp_path / "alexnet-owt-7be5be79.pth")


# FID and KID

dimensions = st.integers(2, 12)


def gaussian(d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(d, 2 * d))
    return rng.normal(size=d), a @ a.T / d


@settings(max_examples=20)
@given(dimensions, st.integers(0, 99))
def test_frechet_distance_of_gaussians(d, seed):
    (mu1, S1), (mu2, S2) = gaussian(d, seed), gaussian(d, seed + 1000)
    by_sqrtm = np.square(mu1 - mu2).sum() + np.trace(S1 + S2 - 2 * scipy.linalg.sqrtm(S1 @ S2).real)
    assert fid.frechet(mu1, S1, mu2, S2) == pytest.approx(by_sqrtm, rel=1e-6)
    assert fid.frechet(mu1, S1, mu2, S2) == pytest.approx(fid.frechet(mu2, S2, mu1, S1), rel=1e-8)
    rotation = scipy.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    rotated = fid.frechet(rotation @ mu1, rotation @ S1 @ rotation.T, rotation @ mu2, rotation @ S2 @ rotation.T)
    assert rotated == pytest.approx(by_sqrtm, rel=1e-6)
    assert fid.frechet(mu1, S1, mu1, S1) == pytest.approx(0, abs=1e-6)
    s, t = np.diag(S1), np.diag(S2)  # the closed form where the covariances commute
    closed = np.square(mu1 - mu2).sum() + np.square(np.sqrt(s) - np.sqrt(t)).sum()
    assert fid.frechet(mu1, np.diag(s), mu2, np.diag(t)) == pytest.approx(closed, rel=1e-9)


def test_fid_of_fewer_images_than_features_is_real_and_not_negative():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(10, 64)), rng.normal(size=(7, 64)) + 1
    assert fid.fid(real, real) == pytest.approx(0, abs=1e-4)
    assert 0 < fid.fid(real, fake) == pytest.approx(fid.fid(fake, real), rel=1e-6)
    assert fid.fid(real, real[:, ::-1] * 0) == pytest.approx(np.square(real.mean(0)).sum() + np.trace(np.cov(real.T)), rel=1e-6)


def test_subsets_of_kid_are_half_of_the_smaller_set(home):
    real, fake = (torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(n)) * 2 - 1 for n in (20, 6))
    for sets in ((real, fake), (fake, real)):
        measured = fid.measure(backbones.EmbeddedFeatures(), *([images] for images in sets), n_boot=2)
        assert measured[1].protocol["subsets"] == "100 of 3"


def test_kid_is_unbiased_and_counts_by_hand():
    rng = np.random.default_rng(0)
    same = [fid.kid(*rng.normal(size=(2, 40, 8)), subsets=10)[0] for _ in range(60)]
    assert abs(np.mean(same)) < 3 * np.std(same) / math.sqrt(60)
    assert fid.kid(rng.normal(size=(40, 8)), rng.normal(size=(40, 8)) + 0.5)[0] > max(same)
    x, y = rng.normal(size=(2, 5, 3))

    def k(a, b):
        return (a @ b / 3 + 1) ** 3

    within = sum(k(s[i], s[j]) for s in (x, y) for i in range(5) for j in range(5) if i != j) / 20
    between = sum(k(a, b) for a in x for b in y) / 25
    assert fid.kid(x, y, subsets=2, size=5)[0] == pytest.approx(within - 2 * between)


def test_fid_interval_is_centred_and_shrinks_with_n():
    rng = np.random.default_rng(0)
    width = {}
    for n in (50, 800):
        real, fake = rng.normal(size=(n, 6)), rng.normal(size=(n, 6)) + 0.3
        resampled = fid.fid_bootstrap(real, fake, 60)
        assert resampled.mean() == pytest.approx(fid.fid(real, fake))
        width[n] = resampled.std()
    assert 2 < width[50] / width[800] < 8  # about sqrt(16)


def test_fid_refuses_features_that_do_not_match():
    ok = np.random.default_rng(0).normal(size=(5, 4))
    for bad, message in ((ok[:, :3], "same d"), (ok[:1], "n >= 2"), (ok * np.nan, "not finite")):
        with pytest.raises(SmisError, match=message):
            fid.fid(ok, bad)
    with pytest.raises(SmisError, match="subsets of 9 images"):
        fid.kid(ok, ok, size=9)


def test_embedded_fid_rises_with_every_damage(pictures):
    extract, image = backbones.EmbeddedFeatures(), pictures["image"]
    real, held_out = image[:64], image[64:]
    rng = torch.Generator().manual_seed(0)

    def score(fake):
        return fid.fid(fid.features(extract, [real]), fid.features(extract, fake.split(32)))

    base = score(held_out)
    damage = {
        "blur": [torchvision.transforms.functional.gaussian_blur(held_out, 9, s) for s in (0.7, 1.5)],
        "noise": [held_out + s * torch.randn(held_out.shape, generator=rng) for s in (0.05, 0.15)],
        "greyer": [held_out * (1 - a) + held_out.mean(1, keepdim=True) * a for a in (0.3, 1.0)],
        "one colour too much": [held_out + torch.tensor([a, 0, 0]).view(3, 1, 1) for a in (0.1, 0.3)],
        "collapse": [held_out[:16].repeat(4, 1, 1, 1), held_out[:4].repeat(16, 1, 1, 1)],
    }
    for name, (little, much) in damage.items():
        assert base < score(little) < score(much), name
    assert score(held_out.flip(1)) > 1.3 * base  # red and blue exchanged
    measured = fid.measure(extract, [real], [held_out], n_boot=10)
    assert [m.metric for m in measured] == ["FID[embedded]", "KID[embedded]"]
    assert measured[0].value == base and measured[0].interval[0] < base < measured[0].interval[1]
    assert measured[0].protocol["n"] == 64 and measured[0].protocol["weights"] == extract.net.weight_hash


def test_inception_takes_the_official_file(tmp_path, monkeypatch):
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    path = tmp_path / "pt_inception-2015-12-05-6726825d.pth"
    torch.manual_seed(0)
    with monkeypatch.context() as patch:  # the class insists on weights: let it keep its random ones
        patch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(theirs.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        net = theirs.FeatureExtractorInceptionV3("random", ["2048"])
    torch.save(net.state_dict(), path)
    monkeypatch.setenv("SMIS_WEIGHTS", str(tmp_path))
    extract = inception.InceptionFeatures()
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    found = extract(images)
    assert found.shape == (2, 2048) and extract.suffix == ""
    assert torch.equal(found, net(((images + 1) * 127.5).round().to(torch.uint8))[0])
    p = extract.probabilities(images)
    assert p.shape == (2, 1008) and torch.allclose(p.sum(1), torch.ones(2, dtype=torch.float64))
    logits = found.double() @ net.fc.weight.double().T  # without the bias
    assert torch.allclose(p.log(), logits.log_softmax(1), atol=1e-4)
    assert "299x299" in extract.protocol["resize"] and extract.protocol["weights"] == backbones.file_hash(path)
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(SmisError, match="is not the FID Inception-v3"):
        inception.InceptionFeatures()


@pytest.mark.parametrize(
    "make, file",
    [
        (smis_lpips.alexnet, "alexnet-owt-7be5be79.pth"),
        (inception.InceptionFeatures, "pt_inception-2015-12-05-6726825d.pth"),
        (partial(segformer.Segformer, "ade20k"), "segformer-b5-finetuned-ade-640-640-92fa5463.bin"),
    ],
)
def test_absent_weights_are_an_error_with_the_command(tmp_path, monkeypatch, make, file):
    monkeypatch.setenv("SMIS_WEIGHTS", str(tmp_path / "here"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    with pytest.raises(SmisError) as error:
        make()
    message = str(error.value)
    assert f"curl -L -o {tmp_path / 'here' / file} https://" in message and str(tmp_path / "hub") in message
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / file).write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(SmisError, match="truncated"):
        make()


# mIoU and accuracy


def test_miou_by_hand():
    label_map = torch.tensor([[[0, 0, 1], [1, 1, 9]]])
    prediction = torch.tensor([[[0, 1, 1], [1, 3, 2]]])
    counts = segmentation.confusion(prediction, label_map, C=5, ignore_index=9)[0].numpy()
    miou, accuracy = segmentation.scores(counts)
    assert accuracy == 3 / 5
    assert miou == pytest.approx((1 / 2 + 2 / 4 + 0) / 3)  # class 3 only predicted: 0; classes 2 and 4 nowhere: left out
    assert np.allclose(segmentation.iou_per_class(counts), [1 / 2, 2 / 4, np.nan, 0, np.nan], equal_nan=True)
    with pytest.raises(SmisError, match=r"label_map holds values 0\.\.9"):
        segmentation.confusion(prediction, label_map, C=5)


@settings(max_examples=20)
@given(st.integers(2, 9), st.integers(1, 4), st.integers(0, 99))
def test_miou_agrees_with_torchmetrics(C, n, seed):
    prediction, label_map = torch.randint(C, (2, n, 8, 6), generator=torch.Generator().manual_seed(seed))
    label_map[:, 0] = 255
    counts = segmentation.confusion(prediction, label_map, C, ignore_index=255)
    expected = reference.multiclass_confusion_matrix(prediction, label_map, C, ignore_index=255)
    assert torch.equal(counts.sum(0), expected)
    miou, _ = segmentation.scores(counts.sum(0).numpy())
    theirs = reference.multiclass_jaccard_index(prediction, label_map, C, ignore_index=255)
    assert miou == pytest.approx(theirs.item(), rel=1e-5)


@pytest.mark.parametrize("name, size, least", [("mannequins", 64, 0.96), ("streets", 48, 0.88), ("rooms", 64, 0.75)])
def test_a_shipped_segmenter_reads_real_pictures(name, size, least):
    spec = DataSpec(name, size, 2 * size if name == "streets" else size, n_train=1, n_test=16, seed=3)
    known, held_out = classes(spec), open_split(spec, "test")
    image, label_map = (torch.stack([sample[key] for sample in held_out]) for key in ("image", "label_map"))
    segment = backbones.EmbeddedSegmenter(known.names)
    miou, accuracy = segmentation.measure(segment, [(image, label_map)], known)  # it predicts all: one reading of Acc
    assert accuracy.metric == "Acc[embedded]" and accuracy.value > least
    assert miou.interval[0] < miou.value < miou.interval[1]
    assert miou.protocol["backbone"] == f"embedded/{backbones.segmenter_of(known.names)}"
    wrong = segmentation.measure(segment, [(image.roll(1, 0), label_map)], known)[0]
    assert wrong.value < 0.75 * miou.value


def test_no_segmenter_knows_unknown_classes():
    assert backbones.segmenter_of(("a", "b")) is None
    with pytest.raises(SmisError, match=r"no shipped segmenter knows these 2 classes \(a, b"):
        backbones.EmbeddedSegmenter(("a", "b"))


def two_of_three_classes():
    """A segmenter that never says the third class, the classes, and the true label map (2,1,4) of what it reads."""

    def segment(images):
        return torch.tensor([[[0, 0, 1, 1]], [[0, 0, 1, 1]]])

    segment.suffix, segment.protocol, segment.predicts = "", {}, (0, 1)
    known = Classes(("a", "b", "never"), ((0, 0, 0),) * 3)
    return segment, known, torch.tensor([[[0, 0, 1, 2]], [[0, 1, 1, 2]]])


def test_what_a_segmenter_does_not_predict_counts_nowhere_or_as_wrong():
    segment, known, label_map = two_of_three_classes()
    image = torch.zeros(2, 3, 1, 4)
    miou, ignored, wrong = segmentation.measure(segment, [(image, label_map)], known, n_boot=20)
    assert miou.value == pytest.approx((3 / 4 + 2 / 3) / 2)  # the pixels of "never" are no false "b" either
    assert (ignored.metric, ignored.value) == ("Acc", pytest.approx(5 / 6))
    assert (wrong.metric, wrong.value) == ("Acc (all pixels)", pytest.approx(5 / 8))
    assert "1 classes that" in ignored.protocol["ignore"] and "counts as wrong" in wrong.protocol["ignore"]
    segment.predicts = (0, 1, 2)  # then being wrong there is the model's fault
    miou, accuracy = segmentation.measure(segment, [(image, label_map)], known, n_boot=20)
    assert accuracy.value == pytest.approx(5 / 8) and miou.value == pytest.approx((3 / 4 + 2 / 5 + 0) / 3)


def test_what_a_segmenter_does_not_predict_has_no_accuracy_of_its_own():
    segment, known, label_map = two_of_three_classes()
    (found,) = segmentation.class_accuracy(segment, [(torch.zeros(2, 3, 1, 4), label_map)], known, n_boot=20)
    assert found.value == pytest.approx((3 / 3 + 2 / 3) / 2)


# the papers' segmenters


def published(net: segformer.SegFormer) -> dict:
    """Its tensors under the names of the published files, written from what those hold."""
    inside = {"norm_1": "layer_norm_1", "norm_2": "layer_norm_2", "expand": "mlp.dense1", "shrink": "mlp.dense2"}
    inside |= {"mix": "mlp.dwconv.dwconv", "attention.reduce": "attention.self.sr", "attention.norm": "attention.self.layer_norm"}
    inside |= {f"attention.{part}": f"attention.self.{part}" for part in ("query", "key", "value")}
    inside |= {"attention.out": "attention.output.dense"}
    outside = {"embed": "segformer.encoder.patch_embeddings.{}.proj", "norm": "segformer.encoder.layer_norm.{}"}
    outside |= {"embed_norm": "segformer.encoder.patch_embeddings.{}.layer_norm", "lift": "decode_head.linear_c.{}.proj"}
    head = {"fuse": "linear_fuse", "fuse_norm": "batch_norm", "classify": "classifier"}
    state = {}
    for key, value in net.state_dict().items():
        part, *rest, kind = key.split(".")
        if part == "blocks":
            name = f"segformer.encoder.block.{rest[0]}.{rest[1]}.{inside['.'.join(rest[2:])]}"
        else:
            name = outside[part].format(*rest) if part in outside else f"decode_head.{head[part]}"
        state[f"{name}.{kind}"] = value
    return state


@pytest.fixture
def tiny_segformer(tmp_path, monkeypatch):
    """A SegFormer of Cityscapes whose weights are random, in the place of the published one; its file."""
    tiny = replace(segformer.PRETRAINED["cityscapes"], depths=(1, 1, 1, 1), widths=(8, 16, 40, 64), decoder=8, height=64)
    monkeypatch.setitem(segformer.PRETRAINED, "cityscapes", tiny)
    monkeypatch.setenv("SMIS_WEIGHTS", str(tmp_path))
    torch.manual_seed(0)
    torch.save(published(segformer.SegFormer(19, tiny.depths, tiny.widths, tiny.decoder)), tmp_path / tiny.weights.file)
    return tmp_path / tiny.weights.file


def test_segformer_takes_the_published_file_and_answers_in_our_classes(tiny_segformer):
    segment = segformer.Segformer("cityscapes")
    images = torch.rand(2, 3, 32, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = segment(images)
    assert found.shape == (2, 32, 64) and found.dtype == torch.int64
    evaluated = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # ids of cityscapesScripts
    assert segment.predicts == evaluated and set(found.unique().tolist()) <= set(evaluated)
    x = torch.nn.functional.interpolate(images / 2 + 0.5, size=(64, 128), mode="bilinear")
    x = torchvision.transforms.functional.normalize(x, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    logits = torch.nn.functional.interpolate(segment.net(x), size=(32, 64), mode="bilinear")
    by_hand = torch.tensor(evaluated)[logits.argmax(1)]
    assert (found == by_hand).float().mean() > 0.999  # one image at a time sums in another order
    assert segment.protocol["weights"] == backbones.file_hash(tiny_segformer) and segment.suffix == ""
    torch.save({"a": torch.zeros(1)}, tiny_segformer)
    with pytest.raises(SmisError, match="is not nvidia/segformer-b5-finetuned-cityscapes"):
        segformer.Segformer("cityscapes")


def test_segformer_attention_is_that_of_torch():
    torch.manual_seed(0)
    ours = segformer.Attention(16, heads=2, reduction=1)
    theirs = torch.nn.MultiheadAttention(16, 2, batch_first=True)
    theirs.in_proj_weight.data = torch.cat([p.weight for p in (ours.query, ours.key, ours.value)]).detach()
    theirs.in_proj_bias.data = torch.cat([p.bias for p in (ours.query, ours.key, ours.value)]).detach()
    theirs.out_proj = ours.out
    x = torch.randn(2, 3, 5, 16)
    tokens = x.flatten(1, 2)
    assert torch.allclose(ours(x).flatten(1, 2), theirs(tokens, tokens, tokens)[0], atol=1e-6)


def test_segformer_has_the_published_sizes():
    with torch.device("meta"):
        nets = [segformer.SegFormer(K, depths) for K, depths in ((150, segformer.B5), (19, segformer.B5), (18, segformer.B2))]
    sizes = [sum(p.numel() for p in net.parameters()) for net in nets]
    assert sizes == [84_708_694, 84_607_955, 27_360_466]  # as transformers 5.23 counts them
    assert [len(net.state_dict()) for net in nets] == [1172, 1172, 380]


def test_every_label_of_the_papers_segmenters_is_a_class():
    for name, chosen in segformer.PRETRAINED.items():
        known = FORMATS[name].classes
        assert [row[0] for row in chosen.remap.rows] == list(range(len(chosen.remap.rows)))
        assert all(0 <= c < len(known) for _, _, c in chosen.remap.rows)
        missed = set(known.names) - {known.names[c] for _, _, c in chosen.remap.rows}
        if name != "cityscapes":
            assert missed == {"ade20k": {"unknown"}, "deepfashion": {"socks"}}[name]
            continue
        assert len(missed) == 16 and {"ego vehicle", "license plate", "parking"} < missed
    for name in ("cityscapes", "ade20k"):
        assert all(FORMATS[name].classes.names[c] == meaning for _, meaning, c in segformer.PRETRAINED[name].remap.rows)


# backbones


def test_shipped_networks_are_small_and_independent(pictures):
    image = pictures["image"]
    nets = {name: backbones.load(name) for name in backbones.NAMES}
    assert sum((paths.ASSETS / f"{name}.safetensors").stat().st_size for name in nets) <= 2**20
    assert len({net.weight_hash for net in nets.values()}) == len(nets)
    assert len({net.metadata["training"]["seed"] for net in nets.values()}) == len(nets)
    for net in nets.values():
        assert not net.training and not any(p.requires_grad for p in net.parameters())
        assert net.metadata["scores"] and net.metadata["training"]["steps"] > 0
    for name in ("perceptual", "metric"):  # every stage in the pixels' unit, FID features standardised
        maps = nets[name].features(image)
        ratios = [(f - f.roll(1, 0)).abs().mean() / (image - image.roll(1, 0)).abs().mean() for f in maps]
        assert ratios == pytest.approx([1] * 4, abs=0.2)
        assert nets[name].pooled(image).std(0).median() == pytest.approx(1, abs=0.2)
        assert nets[name].pooled(image).mean(0).abs().median() < 0.2
    for size in ((32, 32), (64, 128), (50, 70)):
        maps = nets["perceptual"].features(torch.zeros(2, 3, *size))
        assert [tuple(f.shape) for f in maps] == [
            (2, c, size[0] >> i, size[1] >> i) for i, c in enumerate(nets["perceptual"].channels)
        ]
    with pytest.raises(SmisError, match="multiples of 8"):
        nets["segmenter"](torch.zeros(1, 3, 50, 50))
    with pytest.raises(SmisError, match="Did you mean 'perceptual'"):
        backbones.load("perceptial")


def test_saved_networks_describe_themselves(tmp_path):
    net = backbones.FeatureNet((4, 8))
    path = backbones.save(net, tmp_path / "metric.safetensors", {"steps": 1}, {"x": 0.5})
    again = backbones.load("metric", folder=tmp_path)
    assert again.channels == (4, 8) and again.metadata["scores"] == {"x": 0.5}
    image = torch.rand(1, 3, 32, 32)
    assert torch.allclose(again.pooled(image), net.pooled(image), atol=1e-2)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SmisError, match="cannot be read"):
        backbones.load("metric", folder=tmp_path)
    with pytest.raises(SmisError, match="notebook 90"):
        backbones.load("perceptual", folder=tmp_path)


def test_training_learns_and_repeats():
    lessons = Lessons(seed=0, steps=12, n_train=12, n_test=4, rendered=(64,), tested=(32,), pixels=4 * 64 * 64)
    net, scores, log = train_features(lessons)
    assert log[-1]["colour"] < 0.8 * log[0]["colour"] and set(scores) == {"32px"}
    again, _, _ = train_features(lessons)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
    _, _, log = train_segmenter(lessons)
    assert log[-1]["parts"] < log[0]["parts"]
    wide = Lessons(seed=0, steps=20, n_train=2, n_test=2, rendered=(64,), tested=(32,), halvings=0, data="streets")
    net, scores, log = train_segmenter(wide)
    assert net.C == 12 and log[-1]["parts"] < log[0]["parts"] and 0 < scores["32px"]["mIoU"] < 1


def test_a_classifier_learns_and_repeats():
    lessons = replace(LESSONS["classifier_tokens"], steps=30, n_train=24, n_test=24, tested=(32,))
    net, scores, log = train_classifier(lessons)
    assert net.C == 24 and log[-1]["class"] < log[0]["class"] and 0 <= scores["32px"]["accuracy"] <= 1
    again, _, _ = train_classifier(lessons)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True))


# speed and the registry


def test_parameters_counts_what_is_trained():
    a, b = torch.nn.Linear(3, 2), torch.nn.Linear(2, 2).requires_grad_(False)
    assert speed.parameters(a, b).value == 8


def test_fps_is_the_median_of_repeats():
    def work():
        end = time.process_time() + 0.01
        while time.process_time() < end:
            pass
        time.sleep(0.01)  # waiting is not the work of one thread

    found = speed.fps(work, seconds=0.3)
    assert 80 < found.value < 101 and found.protocol["repeats"] >= 3
    assert found.protocol["clock"] == "CPU time"
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        found = speed.fps(work, seconds=0.3)
    finally:
        torch.set_num_threads(threads)
    assert found.value < 51 and found.protocol["clock"] == "wall"


def test_every_measurement_names_a_known_metric():
    assert METRICS["mOCD"].better == "down" and METRICS["mCSD[embedded]"].column == "mCSD"
    with pytest.raises(SmisError, match="Did you mean 'FID"):
        Measurement("FIDs", 1.0, {})
    assert diversity.READINGS.keys() == {"masked", "spatial"}
