"""Data: pictures are pure functions of their index, folders are read right or refused by file name."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from smislib import data, presets
from smislib.config import DataSpec
from smislib.data import augment, check, folders, loading, mannequins, photos, synthetic
from smislib.data.appearance import ARMS, BACKGROUND, FACE, HAIR, LEGS, LOWER, SHOES, UPPER
from smislib.data.crop import centre, crop
from smislib.errors import SmisError

indices, sizes = st.integers(0, 10_000), st.integers(32, 96)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SMIS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def same(a: dict, b: dict) -> bool:
    return all(np.array_equal(a[key], b[key]) for key in ("image", "label_map", "factors"))


# --- mannequins -------------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(index=indices, size=sizes, seed=st.integers(0, 99))
def test_a_picture_is_a_function_of_seed_split_index_at_any_size(index, size, seed):
    picture = mannequins.render(seed, "train", index, size)
    assert picture["image"].shape == (size, size, 3) and picture["image"].dtype == np.uint8
    assert picture["label_map"].shape == (size, size) and picture["label_map"].max() < len(mannequins.CLASSES)
    assert picture["factors"].shape == (8, len(mannequins.FACTOR_NAMES))
    assert picture["factors"].min() >= 0 and picture["factors"].max() <= 1
    assert same(picture, mannequins.render(seed, "train", index, size))
    for other in ((seed, "test", index), (seed, "train", index + 1), (seed + 1, "train", index)):
        assert not np.array_equal(picture["label_map"], mannequins.render(*other, size)["label_map"])


@settings(max_examples=8)
@given(index=indices)
def test_resolution_changes_nothing_but_the_resolution(index):
    small, large = (mannequins.render(0, "train", index, size) for size in (64, 256))
    shrunk = large["image"].reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(shrunk - small["image"]).mean() < 1.5  # of 255; only edges differ
    votes = [(large["label_map"] == c).reshape(64, 4, 64, 4).sum((1, 3)) for c in range(8)]
    assert (np.argmax(votes, 0) == small["label_map"]).mean() > 0.98


def test_labels_agree_with_the_image():
    """A plain part, away from its edges, has the hue of its factor: only light and shadow are multiplied in."""
    checked = 0
    for index in range(20):
        picture = mannequins.render(3, "train", index, 128)
        for label in (HAIR, ARMS, UPPER, LOWER, LEGS):
            colour = picture["factors"][label]
            inside = ndimage.binary_erosion(picture["label_map"] == label, iterations=2)
            if colour[mannequins.FACTOR_NAMES.index("plain")] and inside.sum() > 30:
                shade = np.median(picture["image"][inside] / 255, 0) / colour[:3].clip(0.02)
                assert shade.min() > 0.45 and shade.max() < 1.2 and np.ptp(shade) < 0.2, (index, label, shade)
                checked += 1
    assert checked > 60


def test_every_class_is_in_nearly_every_picture():
    maps = np.stack([mannequins.render(0, "train", i, 64)["label_map"] for i in range(60)])
    area = np.stack([(maps == c).sum((1, 2)) for c in range(8)])
    assert (area[[BACKGROUND, HAIR, FACE, ARMS, UPPER, LOWER, SHOES]] > 6).all()
    assert (area[LEGS] > 3).mean() > 0.95


def test_skin_is_shared_and_all_else_is_independent():
    factors = np.stack([mannequins.factors(0, "train", i) for i in range(400)])
    assert (factors[:, FACE] == factors[:, ARMS]).all() and (factors[:, FACE] == factors[:, LEGS]).all()
    main = factors[:, [BACKGROUND, HAIR, FACE, UPPER, LOWER, SHOES], :3]
    assert (main.std(0) > 0.03).all()
    correlation = np.corrcoef(main.reshape(400, -1).T).reshape(6, 3, 6, 3)
    across = correlation[~np.eye(6, dtype=bool)[:, None, :, None].repeat(3, 1).repeat(3, 3)]
    assert np.abs(across).max() < 4.5 / np.sqrt(400)  # 4.5 standard errors, over 270 correlations
    kinds = factors[:, [UPPER, LOWER], 6:].argmax(-1)
    assert set(kinds[:, 0]) == set(kinds[:, 1]) == set(range(5))
    upper, lower = ((kinds[:, i, None] == np.arange(5)).mean(0) for i in (0, 1))
    assert abs((kinds[:, 0] == kinds[:, 1]).mean() - upper @ lower) < 4 * 0.5 / np.sqrt(400)


@settings(max_examples=10)
@given(index=indices, label=st.integers(0, 7), seed=st.integers(0, 99), size=st.sampled_from([64, 128]))
def test_repainting_a_class_moves_only_its_own_pixels(index, label, seed, size):
    """Shadows depend on shapes alone, so a pixel that holds no sample of the class is the same to the last bit.

    Around the class's region two pixels are left out (antialiased edges); slivers of it that win no pixel remain, such as
    the background seen between an arm and the trunk: hence a bound on their share, twice the most that 24 pictures of 64
    pixels have (0.34 %), instead of none.
    """
    own, other = (mannequins.render(0, "train", index, size, seeds) for seeds in (None, {label: seed}))
    assert np.array_equal(own["label_map"], other["label_map"])
    moved = np.abs(own["image"].astype(int) - other["image"]).max(-1) > 0
    near = ndimage.binary_dilation(own["label_map"] == label, iterations=2)
    assert (moved & ~near).sum() <= 0.0068 * size**2
    rest = [c for c in range(8) if c != label]
    assert np.array_equal(own["factors"][rest], other["factors"][rest])
    first, second = np.abs(own["factors"] - other["factors"])[label, :6].reshape(2, 3).max(1)
    assert first < 0.25 or second < 0.1 or moved[own["label_map"] == label].mean() > 0.97  # and what is labelled so is painted so


def test_one_appearance_seed_for_all_skin_keeps_it_shared():
    shared = mannequins.factors(0, "train", 5, {FACE: 7, ARMS: 7, LEGS: 7})
    assert (shared[FACE] == shared[ARMS]).all() and (shared[FACE] == shared[LEGS]).all()
    alone = mannequins.factors(0, "train", 5, {ARMS: 7})
    assert (alone[ARMS] == shared[ARMS]).all() and (alone[FACE] != alone[ARMS]).any()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, "train", 0, 16), "32 to 256"),
        ((0, "valid", 0, 64), "split must be"),
        ((0, "train", 0, 64, {8: 1}), "classes 0..7"),
    ],
)
def test_render_refuses_what_it_cannot_draw(arguments, message):
    with pytest.raises(SmisError, match=message):
        mannequins.render(*arguments)


# --- splits, cache, batches -------------------------------------------------------------------------------------------


def spec(**changes) -> DataSpec:
    return DataSpec(**({"name": "mannequins", "height": 32, "width": 32, "n_train": 4, "n_test": 3} | changes))


def test_a_smaller_training_set_is_the_beginning_of_a_larger_one():
    few, many = (data.open_split(spec(n_train=n), "train") for n in (3, 6))
    assert len(few) == 3 and len(many) == 6
    for i in range(3):
        assert torch.equal(few[i]["image"], many[i]["image"]) and few[i]["name"] == many[i]["name"]
    test = data.open_split(spec(), "test")
    images = {sample["image"].numpy().tobytes() for split in (many, test) for sample in split}
    assert len(images) == 9


def test_samples_and_batches_have_the_contracted_form():
    train = data.open_split(spec(), "train")
    batch = data.collate([train[0], train[1]])
    assert batch["image"].shape == (2, 3, 32, 32) and batch["image"].dtype == torch.float32
    assert -1 <= batch["image"].min() < -0.2 and 0.2 < batch["image"].max() <= 1
    assert batch["label_map"].shape == (2, 32, 32) and batch["label_map"].dtype == torch.int64
    assert batch["factors"].shape == (2, 8, len(mannequins.FACTOR_NAMES))
    assert batch["name"] == ["mannequins-train-00000", "mannequins-train-00001"]
    labels = data.one_hot(batch["label_map"], data.classes(spec()))
    assert labels.shape == (2, 8, 32, 32) and torch.equal(labels.argmax(1), batch["label_map"])


def test_flip_appends_the_mirror_images_to_training_only():
    plain, flipped = (data.open_split(spec(flip=flip), "train") for flip in (False, True))
    assert len(flipped) == 8 and len(data.open_split(spec(flip=True), "test")) == 3
    for i in range(4):
        assert torch.equal(flipped[i]["image"], plain[i]["image"])
        for key in ("image", "label_map"):
            assert torch.equal(flipped[4 + i][key], plain[i][key].flip(-1))
    assert len({flipped[i]["name"] for i in range(8)}) == 8
    with pytest.raises(IndexError):
        flipped[8]


def test_the_cache_is_read_and_a_truncated_file_is_rendered_again(home):
    first = synthetic.rendered(mannequins.RENDERER, 0, "train", 3, 32)
    (path,) = home.rglob("*.npz")
    whole = path.read_bytes()
    unable = replace(mannequins.RENDERER, paint=None)  # painting would fail: the second time comes from the file
    again = synthetic.rendered(unable, 0, "train", 3, 32)
    for damaged in (whole[: len(whole) // 2], whole[:-40], b"", whole[:2000] + b"\0" * 500 + whole[2500:]):
        path.write_bytes(damaged)
        repaired = synthetic.rendered(mannequins.RENDERER, 0, "train", 3, 32)
        assert all(np.array_equal(first[k], again[k]) and np.array_equal(first[k], repaired[k]) for k in first)
    assert path.read_bytes() == whole and [*path.parent.iterdir()] == [path]


def test_several_may_render_at_once(home):
    with ThreadPoolExecutor(3) as pool:
        found = [*pool.map(lambda _: synthetic.rendered(mannequins.RENDERER, 0, "test", 4, 32)["image"], range(3))]
    assert all(np.array_equal(images, found[0]) for images in found)
    (path,) = home.rglob("*.npz")
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"name": "mannequin"}, "Did you mean 'mannequins'"),
        ({"width": 64}, "square, found 32x64"),
        ({"n_train": 0}, "at least 1"),
        ({"name": "custom"}, "needs its folder"),
    ],
)
def test_a_wrong_spec_is_refused(changes, message):
    with pytest.raises(SmisError, match=message):
        data.open_split(spec(**changes), "train")
    with pytest.raises(SmisError, match="split must be"):
        data.open_split(spec(), "val")


def test_an_instance_edge_lies_on_both_sides_of_a_border():
    instances = torch.zeros(1, 5, 6, dtype=torch.int64)
    instances[0, 2:, 3:] = 7
    expected = torch.zeros(5, 6)
    expected[1:3, 3:] = expected[2:, 2:4] = 1
    assert torch.equal(data.instance_edge(instances)[0, 0], expected)


def test_a_process_takes_every_so_manieth_sample_of_a_batch():
    whole = loading.StepSampler(10, 6, 3, range(5))
    shares = [[*loading.StepSampler(10, 6, 3, range(5), rank, 3)] for rank in range(3)]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert [i for row in zip(*parts, strict=True) for i in row] == batch
    seen = [i for batch in whole for i in batch]
    assert all(sorted(seen[k : k + 10]) == [*range(10)] for k in (0, 10, 20))  # each epoch has each sample once


def test_cuts_reach_every_place_of_the_enlarged_image():
    class Picture:
        def __len__(self):
            return 1

        def __getitem__(self, index):
            rows, columns = torch.meshgrid(torch.arange(10.0), torch.arange(9.0), indexing="ij")
            return {"image": torch.stack([rows, columns, rows]), "name": "a"}

    cuts = augment.Cut(Picture(), 8, 8)
    corners = {tuple(cuts[v]["image"][:2, 0, 0].tolist()) for v in range(len(cuts))}
    assert corners == {(top, left) for top in (0.0, 1, 2) for left in (0.0, 1)}


# --- custom folders ---------------------------------------------------------------------------------------------------

NAMES = ["sky", "tree", "road"]


@pytest.fixture
def root(tmp_path):
    """A sound folder: 3 training and 2 test pairs of 20x10 (width x height)."""
    root = tmp_path / "photos of mine"
    (root).mkdir()
    (root / "classes.json").write_text(json.dumps({"names": NAMES, "ignore_index": 255}))
    rng = np.random.default_rng(0)
    for split, n in (("train", 3), ("test", 2)):
        for part in ("images", "labels"):
            (root / split / part).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(rng.integers(0, 256, (10, 20, 3), np.uint8)).save(root / split / "images" / f"{i}.png")
            Image.fromarray(rng.integers(0, 3, (10, 20), np.uint8)).save(root / split / "labels" / f"{i}.png")
    return root


def custom(root, height=10, width=20, **changes) -> DataSpec:
    return DataSpec("custom", height, width, root=str(root), **changes)


def test_a_sound_folder_opens_and_its_pixels_arrive_unchanged(root):
    train, report = data.open_split(custom(root), "train"), check.check(custom(root))
    assert report.ok and report.counts["test"] == {"images": 2, "labels": 2, "pairs": 2} and "no faults" in str(report)
    assert data.classes(custom(root)).names == tuple(NAMES) and len(train) == 3
    for i, sample in enumerate(train[i] for i in range(3)):
        pixels = np.array(Image.open(root / "train" / "images" / f"{i}.png"))
        assert np.array_equal(((sample["image"].numpy() + 1) * 127.5).round().transpose(1, 2, 0), pixels)
        assert np.array_equal(sample["label_map"], np.array(Image.open(root / "train" / "labels" / f"{i}.png")))
    assert len(data.open_split(custom(root, n_train=2, flip=True), "train")) == 4
    with pytest.raises(SmisError, match="7 train images were asked for"):
        data.open_split(custom(root, n_train=7), "train")


def test_another_picture_is_another_experiment_and_another_spelling_is_not(root, monkeypatch):
    def name(spelled: object) -> str:
        return presets.experiment("spade", "custom", "smoke", root=str(spelled)).name

    before = name(root)
    monkeypatch.chdir(root.parent)
    (root / "runs").mkdir()
    (root / "runs" / "log").touch()
    os.utime(root / "train" / "images" / "0.png", (1, 1))
    assert {name(root.name), name(f"{root}/"), name(root)} == {before}
    for part in ("images", "labels"):
        shutil.copy(root / "train" / part / "0.png", root / "train" / part / "3.png")
    after = name(root)
    (root / "train" / "images" / "1.png").write_bytes(b"")
    assert len({before, after, name(root)}) == 3


def test_pictures_of_any_shape_are_cut_to_one(root, tmp_path):
    wide = np.random.default_rng(1).integers(0, 256, (10, 33, 3), np.uint8)
    Image.fromarray(wide).save(root / "train" / "images" / "0.png")
    label = (np.arange(330).reshape(10, 33) % 3).astype(np.uint16)
    label[5, 16] = 255
    Image.fromarray(label).save(root / "train" / "labels" / "0.png")  # 16 bits are labels too
    with pytest.raises(SmisError, match=r"0.png is 33x10, of another shape than 16x16 .* smis data crop FOLDER NEW --aspect 1"):
        data.open_split(custom(root, 16, 16), "train")[0]
    new = crop(root, tmp_path / "square")
    train = data.open_split(custom(new, 10, 10), "train")
    assert check.check(custom(new, 10, 10)).ok and len(train) == 3
    assert np.array_equal(np.array(Image.open(new / "train" / "images" / "0.png")), wide[:, 11:21])
    assert np.array_equal(np.array(Image.open(new / "train" / "labels" / "0.png")), label[:, 11:21])
    assert train[0]["label_map"][5, 5] == data.classes(custom(new)).ignore_index == 255
    assert data.open_split(custom(crop(root, tmp_path / "tall", aspect=0.5), 10, 5), "test")[1]["image"].shape == (3, 10, 5)
    with pytest.raises(SmisError, match="square exists; choose a new folder"):
        crop(root, new)
    with pytest.raises(SmisError, match="aspect is width / height, above 0; found -1"):
        crop(root, tmp_path / "none", aspect=-1)
    (root / "test" / "images" / "1.png").write_bytes(b"cut off")
    with pytest.raises(SmisError, match=r"1.png cannot be decoded"):
        crop(root, tmp_path / "half")
    assert {path.name for path in tmp_path.iterdir()} - {"home"} == {root.name, "square", "tall"}  # and nothing half done


@pytest.mark.parametrize(
    ("size", "aspect", "box"),
    [((33, 10), 1, (11, 0, 21, 10)), ((10, 33), 1, (0, 11, 10, 21)), ((9, 9), 2, (0, 2, 9, 6)), ((1, 500), 9, (0, 249, 1, 250))],
)
def test_the_largest_centred_box(size, aspect, box):
    assert centre(size, aspect) == box


@settings(max_examples=15)
@given(scale=st.integers(1, 6), height=st.integers(4, 20))
def test_resizing_averages_images_and_picks_labels(tmp_path_factory, scale, height):
    root = tmp_path_factory.mktemp("resize")
    for part in ("images", "labels"):
        (root / "train" / part).mkdir(parents=True)
    (root / "classes.txt").write_text("left\nbetween\nright\n")
    stored = np.zeros((height * scale, 2 * height * scale), np.uint8)
    stored[:, height * scale + scale // 2 :] = 2
    Image.fromarray(stored * 100).save(root / "train" / "images" / "a.png")  # grey: converted to RGB
    Image.fromarray(stored).save(root / "train" / "labels" / "a.png")
    sample = data.open_split(custom(root, height, 2 * height), "train")[0]
    assert sample["image"].shape == (3, height, 2 * height) and set(sample["label_map"].unique().tolist()) == {0, 2}
    agree = (sample["label_map"] == 2) == (sample["image"][0] > -0.2)
    assert agree[:, :height].all() and agree[:, height + 1 :].all()  # the edge runs through the column between


def test_palette_sixteen_bit_and_ignored_labels_are_read_as_indices(root):
    label = np.array(Image.open(root / "train" / "labels" / "0.png"))
    palette = Image.fromarray(label)
    palette.putpalette([200, 10, 10, 10, 200, 10, 10, 10, 200])
    palette.save(root / "train" / "labels" / "0.png")
    Image.fromarray(label.astype(np.uint16)).save(root / "train" / "labels" / "1.png")
    Image.fromarray(np.where(label == 2, 255, label).astype(np.uint8)).save(root / "train" / "labels" / "2.png")
    train = data.open_split(custom(root), "train")
    assert np.array_equal(train[0]["label_map"], label) and np.array_equal(train[1]["label_map"], label)
    assert (train[2]["label_map"].numpy()[label == 2] == 255).all()


def test_exif_rotation_is_honoured_and_cmyk_is_converted(root):
    upright = np.zeros((10, 20, 3), np.uint8)
    upright[:5] = (200, 30, 30)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned: show it rotated by 90 degrees clockwise
    (root / "train" / "images" / "0.png").unlink()
    Image.fromarray(np.rot90(upright)).save(root / "train" / "images" / "0.jpg", exif=exif, quality=95)
    (root / "train" / "images" / "1.png").unlink()
    Image.fromarray(upright).convert("CMYK").save(root / "train" / "images" / "1.jpg", quality=95)
    train = data.open_split(custom(root), "train")
    for i in (0, 1):
        image = train[i]["image"]
        assert image.shape == (3, 10, 20) and image[0, :4].mean() > 0.4 and image[0, 6:].mean() < -0.8


def _save(path, array):
    Image.fromarray(np.asarray(array, np.uint8)).save(path)


FAULTS = {  # what is done to train/, the file at fault, words of the message
    "no label": (lambda d: (d / "labels/1.png").unlink(), "images/1.png", "has no label"),
    "no image": (lambda d: (d / "images/1.png").unlink(), "labels/1.png", "has no image"),
    "truncated image": (
        lambda d: (d / "images/1.png").write_bytes((d / "images/1.png").read_bytes()[:150]),
        "images/1.png",
        "cannot be decoded",
    ),
    "empty label": (lambda d: (d / "labels/1.png").write_bytes(b""), "labels/1.png", "cannot be decoded"),
    "RGB label": (lambda d: _save(d / "labels/1.png", np.zeros((10, 20, 3))), "labels/1.png", "3 channels"),
    "RGBA label": (lambda d: _save(d / "labels/1.png", np.zeros((10, 20, 4))), "labels/1.png", "4 channels"),
    "unknown class": (
        lambda d: _save(d / "labels/1.png", np.full((10, 20), 3)),
        "labels/1.png",
        "holds 3, expected 0..2",
    ),
    "other size": (lambda d: _save(d / "labels/1.png", np.zeros((10, 19))), "labels/1.png", "19x10 but its image"),
    "JPEG label": (lambda d: (d / "labels/1.png").rename(d / "labels/1.jpg"), "labels/1.jpg", "must be a PNG"),
    "two of a name": (lambda d: _save(d / "images/1.jpg", np.zeros((10, 20, 3))), "images/1.png", "same name"),
    "stray file": (lambda d: (d / "images/notes.txt").write_text("x"), "images/notes.txt", "convert or remove"),
    "transparent": (lambda d: _save(d / "images/1.png", np.zeros((10, 20, 4))), "images/1.png", "transparent"),
    "other aspect": (
        lambda d: [_save(d / "images/1.png", np.zeros((10, 21, 3))), _save(d / "labels/1.png", np.zeros((10, 21)))],
        "images/1.png",
        "another shape",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_reported_by_file_and_refused(root, fault):
    spoil, file, words = FAULTS[fault]
    data.open_split(custom(root), "train")  # remembered as sound; the change must be noticed
    spoil(root / "train")
    report = check.check(custom(root))
    assert [f.path for f in report.faults] == [root / "train" / file] and words in report.faults[0].message
    assert str(root / "train" / file) in str(report)
    with pytest.raises(SmisError, match=words) as error:
        data.open_split(custom(root), "train")
    assert file in str(error.value)
    assert len(data.open_split(custom(root), "test")) == 2  # the other split is sound


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"names": ["a", "a"]}', "different names"),
        ('{"names": ["a"], "pallete": []}', "Did you mean 'palette'"),
        ('{"names": ["a", "b"], "palette": [[0, 0, 0]]}', "2 class names but 1"),
        ('{"names": ["a", "b"], "palette": [[0, 0, 0], [0, 0, 300]]}', "0..255"),
        ('{"names": ["a", "b"], "ignore_index": 1}', "from 2 to 65535"),
        ("{", "not valid JSON"),
    ],
)
def test_a_wrong_class_list_is_refused(root, text, message):
    (root / "classes.json").write_text(text)
    with pytest.raises(SmisError, match=message):
        data.open_split(custom(root), "train")
    assert not check.check(custom(root)).ok


def test_the_report_counts_labels_by_name(root):
    for path in (root / "test" / "labels").iterdir():
        _save(path, np.full((10, 20), 1))
    report = check.check(custom(root), ["test"])
    assert report.pixels == {1: 400} and report.sizes == {(20, 10): 2} and "100.00%    tree" in str(report)


# --- photos -----------------------------------------------------------------------------------------------------------


def test_photos_open_through_the_folder_path_and_are_reproducible(home, tmp_path):
    wanted = DataSpec("photos", 32, 32, n_train=5, n_test=3)
    train, test = data.open_split(wanted, "train"), data.open_split(wanted, "test")
    assert isinstance(train, folders.Folder) and len(train) == 5 and len(test) == 3
    assert len(data.classes(wanted)) == photos.C and check.check(wanted).ok
    more = folders.Folder(custom(photos.build(tmp_path / "more", 32, 7, 3), 32, 32), "train")
    for i in range(5):  # a prefix, made a second time
        assert torch.equal(train[i]["image"], more[i]["image"]) and torch.equal(train[i]["label_map"], more[i]["label_map"])
    with pytest.raises(SmisError, match="exists"):
        photos.build(tmp_path / "more", 32, 7, 3)
    assert not [p for p in (home / "runs" / ".cache" / "data").iterdir() if p.name.startswith(".")]


def test_no_test_crop_shows_a_pixel_that_was_trained_on():
    available = photos.load()
    for seed in (0, 1):
        seen = {name: {split: np.zeros(views[split].shape[1], bool) for split in views} for name, views in available.items()}
        for split in photos.SPLITS:
            for i in range(30 * len(available)):
                c = photos.crop(available, seed, split, i)
                view = available[c.photo]["test" if split == "test" else "train"]
                assert c.top >= 0 and c.top + c.side <= view.shape[0] and c.left + c.side <= view.shape[1]
                seen[c.photo]["test" if split == "test" else "train"][c.left : c.left + c.side] = True
        for columns in seen.values():
            assert columns["train"].sum() > 100 and columns["test"].sum() > 50
            assert not (columns["train"] & columns["test"]).any()


def test_clusters_are_ordered_from_dark_to_light_and_follow_the_image():
    available = photos.load()
    centres = photos._clusters(available, 0, 32)
    assert (np.diff(centres[:, 0]) > 0).all()
    image = Image.fromarray(np.repeat(np.array([[20] * 16 + [240] * 16], np.uint8), 32, 0)).convert("RGB")
    label_map = photos.segment(image, centres)
    assert (label_map[:, :13] < label_map[:, 19:].min()).all()


def test_an_output_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    blocked = tmp_path / "a file"
    blocked.touch()
    monkeypatch.setenv("SMIS_HOME", str(blocked))
    for wanted in (spec(n_train=1), DataSpec("photos", 32, 32, n_train=1, n_test=1)):
        with pytest.raises(SmisError, match="a file"):
            data.open_split(wanted, "train")
