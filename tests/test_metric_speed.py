"""No image goes through a backbone twice, and what that gives is what the plain way gives; the benchmarks that say how much."""

import json

import numpy as np
import pytest
import torch

from smislib import bench, cli, paths, runs
from smislib import evaluate as evaluation
from smislib.errors import SmisError
from smislib.metrics import diversity, fid, lpips, variation
from smislib.metrics.backbones import EmbeddedFeatures, FeatureNet


@pytest.fixture
def distance():
    torch.manual_seed(0)
    net = FeatureNet((4, 6)).requires_grad_(False)
    net.weight_hash = "-"
    found = lpips.from_network(net)
    layers, found.seen = found.layers, []

    def counting(images):
        found.seen.append(len(images))
        return layers(images)

    found.layers = counting
    return found


REGIONS = {
    "one pixel": (slice(7, 8), slice(30, 31)),
    "at the frame": (slice(0, 9), slice(20, 48)),
    "all but a row": (slice(1, 32), slice(None)),
    "nothing": (slice(0, 0), slice(0, 0)),
}


@pytest.mark.parametrize("where", REGIONS.values(), ids=REGIONS)
def test_distances_inside_and_outside_are_those_of_each_pair_by_itself(distance, where):
    images, region = torch.rand(5, 3, 32, 48) * 2 - 1, torch.zeros(32, 48, dtype=torch.bool)
    region[where] = True
    found = diversity.masked(distance, images, region)
    assert distance.seen == [5, 5]  # each image once for a side
    for a, b in zip(found, bench.distances_one_by_one(distance, images, region), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
        assert a.shape == (4,)


def test_overall_distances_embed_an_image_once(distance):
    labels = torch.ones(2, 1, 32, 32)

    def sample(labels, k, rng):
        return torch.rand(k, 3, 32, 32, generator=rng) * 2 - 1

    measured = variation.measure({"image": sample}, labels, n=2, m=3, distance=distance)
    assert distance.seen == [4, 4]
    by_pairs = []
    for i in range(2):
        key = int(np.random.SeedSequence((0, i)).generate_state(1, np.uint64)[0] >> 1)
        images = sample(labels[:1], 4, torch.Generator().manual_seed(key))
        by_pairs.append(np.mean([distance(images[j, None], images[j + 1, None]).item() for j in range(3)]))
    assert measured[0].value == pytest.approx(np.mean(by_pairs), rel=1e-5)


# --- features of real images ------------------------------------------------------------------------------------------


@pytest.fixture
def extract():
    """Counts the images that go through the backbone."""
    found, inner = EmbeddedFeatures(), EmbeddedFeatures.__call__

    class Counting(EmbeddedFeatures):
        seen = 0

        def __call__(self, images):
            Counting.seen += len(images)
            return inner(self, images)

    found.__class__ = Counting
    return found


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SMIS_HOME", str(tmp_path))


def test_real_images_go_through_the_backbone_once_on_a_machine(extract, empty_home):
    batches = (torch.rand(7, 3, 32, 32) * 2 - 1).split(4)
    expected = fid.features(extract, batches)
    for _ in range(2):
        np.testing.assert_array_equal(fid.real_features(extract, batches), expected)
    assert extract.seen == 7 + 7
    first = fid.measure(extract, batches, [batches[0]], n_boot=2)
    assert extract.seen == 7 + 7 + 4  # the generated ones
    assert first[0].protocol["n real"] == 7


def test_other_pixels_order_or_backbone_are_other_features(extract, empty_home):
    images = torch.rand(3, 3, 32, 32)
    one = images.clone()
    one[2, 1, 5, 5] += 1e-3
    for batch in (images, one, images.flip(0), images.reshape(3, 3, 16, 64)):
        np.testing.assert_array_equal(fid.real_features(extract, [batch]), fid.features(extract, [batch]))
    extract.protocol = extract.protocol | {"weights": "other"}
    before = extract.seen
    fid.real_features(extract, [images])
    assert extract.seen == before + 3


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:300] + b"XX" + b[302:]])
def test_damaged_features_are_computed_again(extract, empty_home, damage):
    images = torch.rand(3, 3, 32, 32)
    expected = fid.real_features(extract, [images])
    (path,) = (paths.cache() / "features").iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    np.testing.assert_array_equal(fid.real_features(extract, [images]), expected)
    assert extract.seen == 6 and path.read_bytes() == whole
    assert len(list(path.parent.iterdir())) == 1


# --- benchmarks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "race",
    [
        lambda: bench.generator("deepfashion", preset="smoke", size=128),
        lambda: bench.generator("deepfashion", bf16=True, preset="smoke", size=128),
        lambda: bench.generator("deepfashion", 2, preset="smoke", size=128),
        lambda: bench.generator("ade20k", preset="smoke", size=128),
        lambda: bench.generator("ade20k", 2, preset="smoke", size=128),
        lambda: bench.step(preset="smoke", size=128),
        lambda: bench.classes(12, 3, 32),
        lambda: bench.class_view_crop(2, 12, 32, 3),
        lambda: bench.mcsd(1, 2),
        lambda: bench.mcsd(1, 2, drawing=True),
    ],
    ids=bench.BENCHMARKS,
)
def test_a_benchmark_runs_and_keeps_its_record(monkeypatch, empty_home, capsys, race):
    made = race()
    assert all(x.isfinite().any() and x.nan_to_num().std() > 0 for x in made.ours())  # or any two ways would agree
    monkeypatch.setattr(bench, "BENCHMARKS", {"a row": lambda: made})
    monkeypatch.setattr("sys.argv", ["smis", "bench", "a row", "--turns", "1"])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    record = json.loads((paths.bench() / "a_row.json").read_text())
    assert record["max_error"] <= record["tolerance"] and record["ratio"] > 0 and set(record["seconds"]) == {"plain", "ours"}
    assert "a row" in capsys.readouterr().out


@pytest.mark.parametrize("other", [torch.tensor([1.0, 2.1]), torch.tensor([1.0, torch.nan]), torch.ones(1)])
def test_a_benchmark_of_two_ways_that_differ_is_refused(monkeypatch, empty_home, other):
    race = bench.Race(lambda: (torch.tensor([1.0, 2.0]),), lambda: (other,), {}, tolerance=0.01)
    monkeypatch.setattr(bench, "BENCHMARKS", {"a row": lambda: race})
    with pytest.raises(SmisError, match="differ by"):
        bench.bench("a row")
    with pytest.raises(SmisError, match="a row"):
        bench.bench("a raw")


@pytest.mark.parametrize("kept", [evaluation.KEPT, 0])
def test_fakes_are_drawn_once_for_all_groups_and_kept_where_memory_allows(home, small, monkeypatch, kept):
    e = small("oasis", **{"evaluation.n_fid": 6})
    run = runs.open_run(e)
    run.finish(runs.build(e))
    drawn = []
    monkeypatch.setattr(evaluation, "KEPT", kept)
    monkeypatch.setattr(evaluation._Bench, "_draw_fakes", counted(evaluation._Bench._draw_fakes, drawn))
    groups = ("quality", "segmentation", "realism")
    monkeypatch.setattr(evaluation, "files", lambda run: {group: run.records / f"{group}-0.json" for group in groups})
    found = {record.metric: record.value for record in evaluation.evaluate(run, device="cpu", progress=False)}
    assert len(drawn) == (1 if kept else 3)
    anew = evaluation._Bench(run, torch.device("cpu"))
    assert anew.realism()[0].value == found[anew.realism()[0].metric]


def counted(function, calls):
    def call(*arguments):
        calls.append(arguments)
        return function(*arguments)

    return call
