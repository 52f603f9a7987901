"""The Inception score on predictions of known score, and the judges that make predictions: do they know their data?"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_fidelity.metric_isc import isc_features_to_metric
from torchvision.transforms.functional import gaussian_blur

from smislib import data, paths, presets
from smislib.config import DataSpec
from smislib.errors import SmisError
from smislib.metrics import METRICS, backbones, fid, judges
from smislib.metrics.inception_score import bootstrap, inception_score, measure
from smislib.metrics.train_backbones import disturb

# --- the score --------------------------------------------------------------------------------------------------------


@given(st.integers(2, 12), st.integers(1, 5))
def test_sure_and_even_predictions_score_the_number_of_classes(K, splits):
    p = np.eye(K)[np.arange(K * splits * 3) % K]
    assert inception_score(p, splits) == pytest.approx(K)
    assert inception_score(p[: K // 2 * 4], 1) <= K + 1e-9


@given(st.integers(1, 12))
def test_one_answer_for_all_scores_one(K):
    same = np.random.default_rng(K).dirichlet(np.ones(K))
    assert inception_score(np.tile(same, (40, 1))) == pytest.approx(1)


def test_half_of_the_classes_score_half():
    p = np.eye(8)[np.arange(64) % 4]
    assert inception_score(p, 1) == pytest.approx(4)
    doubtful = 0.5 * p + 0.5 / 8
    assert 1 < inception_score(doubtful, 1) < 4


@pytest.mark.parametrize("splits", [1, 10])
def test_the_score_is_that_of_torch_fidelity(splits):
    logits = 2 * torch.randn(200, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theirs = isc_features_to_metric(logits, splits=splits, shuffle=False)["inception_score_mean"]
    assert inception_score(logits.softmax(1).numpy(), splits) == pytest.approx(theirs)


def test_the_interval_holds_the_score_and_shrinks_with_n():
    rng = np.random.default_rng(0)
    widths = []
    for n in (100, 1600):
        p = rng.dirichlet(np.full(6, 0.2), n)
        resampled = bootstrap(p, splits=1)
        assert resampled.mean() == pytest.approx(inception_score(p, 1))
        assert np.array_equal(resampled, bootstrap(p, splits=1)) and not np.array_equal(resampled, bootstrap(p, 1, seed=1))
        widths.append(np.ptp(resampled))
    assert 2.5 < widths[0] / widths[1] < 6  # the root of 16


@pytest.mark.parametrize(
    "p, splits, message",
    [
        (np.random.default_rng(0).normal(size=(20, 4)), 1, "not logits"),
        (np.full((20, 4), np.nan), 1, "without NaN"),
        (np.full(20, 0.5), 1, r"found \(20,\)"),
        (np.eye(4), 5, "4 images do not make 5 splits"),
        (np.eye(4), 0, "do not make 0 splits"),
    ],
)
def test_what_are_no_predictions_is_refused(p, splits, message):
    with pytest.raises(SmisError, match=message):
        inception_score(p, splits)


def test_metrics_of_class_conditional_images_are_known():
    assert METRICS["IS"].better == METRICS["IS[embedded]"].better == "up" and METRICS["IS[embedded]"].column == "IS"
    assert [(METRICS[f"Top-{k} error"].better, METRICS[f"Top-{k} error"].column) for k in (1, 5)] == [
        ("down", "TOP-1 ERROR"),
        ("down", "TOP-5 ERROR"),
    ]


# --- judges -----------------------------------------------------------------------------------------------------------


def held_out(spec: DataSpec) -> dict:
    opened = data.open_split(spec, "test")
    return data.collate([opened[i] for i in range(len(opened))])


@pytest.mark.parametrize(
    "name, size, least", [("tokens", 32, 0.97), ("tokens", 64, 0.97), ("digits", 32, 0.98), ("digits", 48, 0.97)]
)
def test_a_judge_reads_real_pictures(name, size, least):
    spec = DataSpec(name, size, size, n_test=240, seed=5)
    batch, judge, known = held_out(spec), judges.judge_of(spec), data.classes(spec)
    p = judge.probabilities(batch["image"])
    assert p.shape == (240, len(known)) and torch.allclose(p.sum(1), torch.ones_like(p.sum(1)), atol=1e-5)
    assert (p.argmax(1) == batch["label"]).double().mean() > least
    (measured,) = measure(judge, batch["image"].split(64), splits=1, seed=3)
    assert measured.metric == "IS[embedded]" and 0.85 * len(known) < measured.value <= len(known)
    assert measured.interval[0] < measured.value < measured.interval[1]
    assert measured.protocol["n"] == 240 and measured.protocol["weights"] and "embedded" in judge.suffix


@pytest.mark.parametrize("name", ["tokens", "digits"])
def test_a_judge_sees_damage(name):
    """FID rises and the Inception score falls when images are blurred and when they collapse to few."""
    spec = DataSpec(name, 32, 32, n_test=360, seed=5)
    image, judge = held_out(spec)["image"], judges.judge_of(spec)
    real, fake = image[:180], image[180:]

    def scores(images):
        return fid.fid(fid.features(judge, [real]), fid.features(judge, [images])), measure(judge, [images], splits=1)[0].value

    base, blurred, collapsed = scores(fake), scores(gaussian_blur(fake, 13, 3.0)), scores(fake[torch.arange(180) % 3])
    assert blurred[0] > 2 * base[0] and collapsed[0] > 2 * base[0]
    assert blurred[1] < 0.8 * base[1] and collapsed[1] < 0.5 * base[1]


def test_the_classifier_of_tokens_is_small_and_reads_what_is_not_quite_clean():
    assert (paths.ASSETS / "classifier_tokens.safetensors").stat().st_size <= 50_000
    spec = DataSpec("tokens", 32, 32, n_test=240, seed=5)
    batch, judge = held_out(spec), judges.judge_of(spec)
    right = []
    for seed in range(4):  # strong noise, then blur and noise of any strength
        torch.manual_seed(seed)
        right.append((judge.probabilities(disturb(batch["image"])).argmax(1) == batch["label"]).float().mean().item())
    assert min(right) > 0.8 and sum(right) / 4 > 0.9
    assert judge.net.metadata["scores"]["32px"]["accuracy"] > 0.95
    features = judge(batch["image"])
    assert features.shape == (240, 106) and features.std(0).median() == pytest.approx(1, abs=0.2)


def test_features_of_digits_are_their_pixels_and_the_judge_is_always_the_same():
    batch = held_out(presets.data_spec("digits", "smoke"))
    first, again = judges.DigitJudge(), judges.DigitJudge()
    assert torch.equal(first.probabilities(batch["image"]), again.probabilities(batch["image"]))
    assert first.protocol == again.protocol and "64 pixel values" in first.protocol["backbone"]
    red = torch.full((1, 3, 32, 32), -1.0)
    red[:, 0, :4, :4] = 1
    assert first(red)[0].tolist() == pytest.approx([-1 / 3] + [-1] * 63)


def test_what_nothing_can_judge_is_refused(monkeypatch, tmp_path):
    with pytest.raises(SmisError, match="mannequins has no classes of whole images"):
        judges.judge_of(presets.data_spec("mannequins", "smoke"))
    with pytest.raises(SmisError, match=r"no shipped classifier knows these 2 classes \(a, b .*evaluation.backbone=paper"):
        backbones.EmbeddedClassifier(("a", "b"))
    monkeypatch.setenv("SMIS_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(SmisError, match="Inception-v3 for FID needs"):
        judges.judge_of(replace(presets.data_spec("tokens", "smoke")), paper=True)
