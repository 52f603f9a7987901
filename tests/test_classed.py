"""Data sets of whole-image classes: their samples and labels, their folders and what is wrong with one, which labels are told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from smislib import data, presets
from smislib.config import DataSpec
from smislib.data import class_folders, classed, synthetic, tokens
from smislib.data.spec import UNLABELLED
from smislib.errors import SmisError

TOKENS = DataSpec("tokens", 32, 32, n_train=48, n_test=24)
COLOURS = {"ant": (200, 30, 30), "bee": (30, 200, 30), "cow": (30, 30, 200)}


# --- samples and labels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [TOKENS, DataSpec("digits", 32, 32)], ids=["tokens", "digits"])
def test_a_sample_is_an_image_and_its_class(spec):
    known = data.classes(spec)
    for split in ("train", "test"):
        opened = data.open_split(spec, split)
        batch = data.collate([opened[i] for i in range(5)])
        assert set(batch) == {"image", "label", "name"}
        assert batch["image"].shape == (5, 3, 32, 32) and batch["image"].dtype == torch.float32
        assert -1 <= batch["image"].min() < batch["image"].max() <= 1
        assert batch["label"].dtype == torch.int64 and torch.equal(batch["label"], opened.labels[:5])
        assert opened.labels.shape == (len(opened),) and set(opened.labels.tolist()) <= set(range(len(known)))
        labels = data.labels(batch, known)
        assert labels.shape == (5, len(known)) and torch.equal(labels.argmax(1), batch["label"]) and labels.sum() == 5


def test_what_is_not_labelled_is_a_zero_row_and_another_value_is_refused():
    opened, known = data.open_split(TOKENS, "train"), data.classes(TOKENS)
    batch = data.collate([opened[i] for i in range(3)])
    batch["label"][1] = UNLABELLED
    labels = data.labels(batch, known)
    assert labels.sum(1).tolist() == [1, 0, 1] and labels.dtype == torch.float32
    for wrong in (24, -2):
        batch["label"][2] = wrong
        with pytest.raises(SmisError, match=rf"label value {wrong} in 'tokens-train-00002' is outside \[0, 24\) or -1"):
            data.labels(batch, known)


def test_the_class_of_a_token_is_its_thing():
    opened = data.open_split(TOKENS, "train")
    assert data.classes(TOKENS).names == tokens.NAMES and len(tokens.NAMES) == 24
    for i in range(6):
        picture = tokens.RENDERER.render(0, "train", i, 32)
        assert opened[i]["label"] == picture["label_map"].max() - 1
        assert torch.equal(opened[i]["image"], torch.from_numpy(picture["image"]).movedim(-1, 0).float() / 127.5 - 1)


def test_labels_follow_mirror_images_and_cuts():
    plain = data.open_split(TOKENS, "train")
    more = data.open_split(replace(TOKENS, flip=True, margin=0.125), "train")
    assert len(more) == len(more.labels) == 2 * 64 * 48
    for i in (0, 47, 48, 5000):
        assert more[i]["label"] == more.labels[i] == plain.labels[i % 48] and more[i]["image"].shape == (3, 32, 32)
    flipped = data.open_split(replace(TOKENS, flip=True), "train")
    assert torch.equal(flipped[50]["image"], plain[2]["image"].flip(-1)) and flipped[50]["label"] == plain[2]["label"]


def test_digits_are_all_there_once_and_split_by_class():
    spec = presets.data_spec("digits", "demo")
    train, test = (data.open_split(spec, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (1437, 360) and not set(train.indices) & set(test.indices)
    assert {len(train) // 10 - n for n in train.labels.bincount().tolist()} <= set(range(-5, 6))
    assert abs(test.labels.bincount() / train.labels.bincount() - 0.25).max() < 0.01
    assert data.open_split(replace(spec, seed=5), "test").indices == test.indices
    few = data.open_split(replace(spec, n_train=50), "train")
    assert few.indices == train.indices[:50] and few.labels.bincount(minlength=10).min() >= 3
    real = load_digits()
    for i in (0, 100):
        assert real.target[test.indices[i]] == test.labels[i]
        image = test[i]["image"]
        assert torch.equal(image[0], image[2])  # grey
        small = torch.nn.functional.adaptive_avg_pool2d(image[0][None], 8)[0].numpy()
        assert np.corrcoef(small.ravel(), real.images[test.indices[i]].ravel())[0, 1] > 0.97
    assert (train.images.min(), train.images.max()) == (-1, 1)  # nothing was cut off: 0..16 is -1..1


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"width": 64}, "square and at least 8 pixels wide, found 32x64"),
        ({"n_train": 1438}, "must be 1 to 1437"),
        ({"n_train": 0}, "n_train must be at least 1"),
    ],
)
def test_digits_that_there_are_not_are_refused(changes, message):
    with pytest.raises(SmisError, match=message):
        data.open_split(replace(DataSpec("digits", 32, 32), **changes), "train")


def test_presets_of_tokens_and_digits():
    assert [presets.data_spec("tokens", preset).n_train for preset in presets.PRESETS] == [480, 4800, 50000]
    for name in ("tokens", "digits"):
        assert data.made_with(presets.data_spec(name, "smoke"))  # a changed picture is another experiment
    assert set(synthetic.RENDERERS) <= set(data.DATA)


# --- which labels are told --------------------------------------------------------------------------------------------


@given(st.lists(st.integers(10, 60), min_size=2, max_size=6), st.floats(0.06, 1), st.floats(0.06, 1), st.integers(0, 99))
def test_a_smaller_fraction_is_part_of_a_larger_one(counts, a, b, seed):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = torch.cat([labels, torch.full((7,), UNLABELLED)])[torch.randperm(sum(counts) + 7)]
    names = [f"class {c}" for c in range(len(counts))]
    few, many = (classed.keep_labels(labels, fraction, seed, names) for fraction in sorted((a, b)))
    for kept, fraction in ((few, min(a, b)), (many, max(a, b))):
        assert kept.dtype == torch.bool and kept.shape == labels.shape and not kept[labels == UNLABELLED].any()
        assert [int(kept[labels == c].sum()) for c in range(len(counts))] == [round(fraction * n) for n in counts]
    assert not (few & ~many).any()


def test_labels_are_chosen_by_the_seed():
    labels = torch.arange(200) % 2
    first, again, other = (classed.keep_labels(labels, 0.1, seed, "ab") for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other) and first.sum() == 20
    assert classed.keep_labels(labels, 1, 0, "ab").all()


def test_a_fraction_that_leaves_a_class_without_labels_says_which_would_not():
    labels = torch.tensor([0] * 40 + [1] * 12)
    with pytest.raises(SmisError, match=r"class 'b' with none of its 12 images; the smallest .* is 0.0417") as error:
        classed.keep_labels(labels, 0.03, 0, "ab")
    works = float(str(error.value).split("every class is ")[1].split(". ")[0])
    assert classed.keep_labels(labels, works, 0, "ab")[40:].sum() == 1
    with pytest.raises(SmisError, match="leave class"):
        classed.keep_labels(labels, works - 1e-4, 0, "ab")
    for fraction in (0, -0.1, 1.01):
        with pytest.raises(SmisError, match=r"must be in \(0, 1\]"):
            classed.keep_labels(labels, fraction, 0, "ab")
    with pytest.raises(SmisError, match="class 'c' has no labelled image"):
        classed.keep_labels(labels, 0.5, 0, "abc")


# --- folders ----------------------------------------------------------------------------------------------------------


def image(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (32, 32)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


@pytest.fixture
def sorted_folder(tmp_path) -> Path:
    """ant, bee, cow: 4, 2 and 6 images of train, 2 each of test."""
    for split, counts in (("train", (4, 2, 6)), ("test", (2, 2, 2))):
        for (name, colour), n in zip(COLOURS.items(), counts, strict=True):
            for i in range(n):
                image(tmp_path / split / name / f"{i}.png", colour)
    return tmp_path


@pytest.fixture
def flat_folder(tmp_path) -> Path:
    """The same without class folders; two images of train are not labelled."""
    lines = ["file,class"]
    for split, each in (("train", 3), ("test", 1)):
        for name, colour in COLOURS.items():
            for _ in range(each):
                path = image(tmp_path / split / f"{len(lines):03d}.png", colour)
                lines.append(f"{split}/{path.name},{name}")
    for i in range(2):
        image(tmp_path / "train" / f"unknown{i}.png", (9, 9, 9))
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return tmp_path


def spec_of(root: Path, name: str = "classes", **changes) -> DataSpec:
    return replace(presets.data_spec(name, "smoke", str(root)), **changes)


def true_class(sample: dict) -> int:
    return int(sample["image"].mean((1, 2)).argmax())


def test_a_folder_for_each_class(sorted_folder):
    spec = spec_of(sorted_folder)
    known, train = data.classes(spec), data.open_split(spec, "train")
    assert known.names == ("ant", "bee", "cow") and known.whole and known.ignore_index == UNLABELLED
    assert train.labels.bincount().tolist() == [4, 2, 6] and len(data.open_split(spec, "test")) == 6
    assert all(true_class(train[i]) == train[i]["label"] == train.labels[i] for i in range(12))
    assert train[0]["name"].startswith("train/") and len({train[i]["name"] for i in range(12)}) == 12
    half = data.open_split(replace(spec, n_train=6), "train")
    assert half.labels.bincount().tolist() == [2, 1, 3]  # the beginning holds every class by its share
    with pytest.raises(SmisError, match=r"13 train images were asked for, but .* holds 12"):
        data.open_split(replace(spec, n_train=13), "train")
    with pytest.raises(IndexError):
        train[12]


def test_a_table_of_labels(flat_folder):
    spec = spec_of(flat_folder)
    known, train, test = data.classes(spec), data.open_split(spec, "train"), data.open_split(spec, "test")
    assert known.names == ("ant", "bee", "cow") and (len(train), len(test)) == (11, 3)
    assert sorted(train.labels.tolist()) == [-1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    for i in range(11):
        assert train[i]["label"] == (UNLABELLED if "unknown" in train[i]["name"] else true_class(train[i]))
    assert data.labels(data.collate([train[i] for i in range(11)]), known).sum() == 9
    table = flat_folder / "labels.csv"  # a bare name will do where one split alone has it
    table.write_text(table.read_text().replace("train/", "").replace("test/", ""))
    assert torch.equal(data.open_split(spec, "train").labels, train.labels)


def test_images_of_another_size_are_resized(sorted_folder):
    train = data.open_split(spec_of(sorted_folder, height=16, width=16), "train")
    assert train[0]["image"].shape == (3, 16, 16)
    with pytest.raises(SmisError, match="are 32x32, of another shape than 32x16"):
        data.open_split(spec_of(sorted_folder, height=16), "train")


def test_imagenet_is_resized_by_its_shorter_side_and_cut_in_the_middle(tmp_path):
    for split in ("train", "val"):
        for name in ("n01", "n02"):
            wide = np.zeros((64, 160, 3), np.uint8)
            wide[:, 48:112] = 255  # the middle square is white, what is cut away black
            wide[::2, 80:] = 0  # lines of one pixel become grey, not black or white
            path = tmp_path / split / name / "x.JPEG"
            path.parent.mkdir(parents=True)
            Image.fromarray(wide).save(path, quality=100)
    spec = presets.data_spec("imagenet", "smoke", str(tmp_path))
    shown = data.open_split(spec, "test")[0]["image"]
    assert shown.shape == (3, 32, 32) and shown[:, :, 1:15].min() > 0.9
    assert shown[:, :, 18:31].abs().max() < 0.2
    paper = presets.data_spec("imagenet", "paper")
    assert (paper.height, paper.width, paper.flip, paper.n_train) == (128, 128, True, None)
    assert "2 classes by folder, n01 .. n02" in class_folders.report(spec)
    assert "published: 1281167" in class_folders.report(spec) and "160x64 (4)" in class_folders.report(spec)


def test_the_report_counts(flat_folder):
    text = class_folders.report(spec_of(flat_folder))
    assert "3 classes by labels.csv, ant .. cow" in text and "11 images, 3 to 3 of a class, 2 not labelled" in text
    assert "32x32 (14)" in text and text.endswith("no faults")


def remove(path: Path) -> None:
    for one in sorted(path.rglob("*"), reverse=True):
        one.rmdir() if one.is_dir() else one.unlink()
    path.rmdir()


def append(root: Path, line: str) -> None:
    with (root / "labels.csv").open("a") as file:
        file.write(f"\n{line}")


SORTED_FAULTS = {
    "no test": (lambda root: remove(root / "test"), "has no folder test or val"),
    "no train": (lambda root: remove(root / "train"), "has no folder train"),
    "class of train alone": (lambda root: remove(root / "test" / "bee"), "class 'bee' has images in .*train but none in .*test"),
    "class of test alone": (lambda root: image(root / "test/dog/1.png", (1, 1, 1)), "class 'dog' has images in .*test but none"),
    "empty class": (lambda root: (root / "train" / "dog").mkdir(), "class folder .*dog holds no images"),
    "beside": (lambda root: image(root / "train" / "x.png", (1, 1, 1)), "x.png lies beside the class folders"),
    "no image": (lambda root: (root / "train" / "ant" / "0.png").write_text("no image"), "ant/0.png cannot be decoded"),
    "sizes": (lambda root: image(root / "test/cow/1.png", (1, 1, 1), (40, 32)), "train/.*is 32x32 but .*cow/1.png is 40x32"),
    "contradiction": (
        lambda root: (root / "labels.csv").write_text("file,class\ntrain/ant/0.png,cow"),
        "line 2: 'train/ant/0.png' is of class 'cow', but lies in the folder 'ant'",
    ),
}
FLAT_FAULTS = {
    "no table": (lambda root: (root / "labels.csv").unlink(), "no class folders; its 11 images have no class: .*labels.csv"),
    "not there": (lambda root: append(root, "train/999.png,ant"), "line 14: 'train/999.png' is not there"),
    "twice": (lambda root: append(root, "train/001.png,ant"), "line 14: 'train/001.png' was listed before, in line 2"),
    "no class": (lambda root: append(root, "train/unknown0.png,"), "'train/unknown0.png' has no class"),
    "class of train alone": (lambda root: append(root, "unknown0.png,dog"), "class 'dog' has images in .*train but none in"),
    "ambiguous": (
        lambda root: (image(root / "test" / "unknown0.png", (1, 1, 1)), append(root, "unknown0.png,ant")),
        "'unknown0.png' is in .*train and in .*test",
    ),
    "test not listed": (lambda root: image(root / "test" / "new.png", (1, 1, 1)), "test/new.png is not in labels.csv"),
    "header": (lambda root: (root / "labels.csv").write_text("train/001.png,ant"), "must begin with the line 'file,class'"),
    "cells": (lambda root: append(root, "train/unknown0.png,ant,bee"), "line 14: expected a file and its class, found 3"),
    "empty table": (lambda root: (root / "labels.csv").write_text(""), "found 'nothing'"),
    "not text": (lambda root: (root / "labels.csv").write_bytes(b"file,class\n\xff\xfe,a"), "is no table of comma-separated"),
    "empty split": (lambda root: [path.unlink() for path in (root / "test").iterdir()], "test holds no images"),
}


@pytest.mark.parametrize("fault", SORTED_FAULTS)
def test_a_fault_of_class_folders_is_named(sorted_folder, fault):
    damage, message = SORTED_FAULTS[fault]
    damage(sorted_folder)
    for use in (lambda: class_folders.report(spec_of(sorted_folder)), lambda: data.open_split(spec_of(sorted_folder), "train")):
        with pytest.raises(SmisError, match=message):
            use()


@pytest.mark.parametrize("fault", FLAT_FAULTS)
def test_a_fault_of_a_table_of_labels_is_named(flat_folder, fault):
    damage, message = FLAT_FAULTS[fault]
    damage(flat_folder)
    with pytest.raises(SmisError, match=message):
        class_folders.report(spec_of(flat_folder))


def test_a_table_that_agrees_with_the_folders_is_no_fault(sorted_folder):
    (sorted_folder / "labels.csv").write_text("file,class\ntrain/ant/0.png,ant\n")
    assert data.open_split(spec_of(sorted_folder), "train").labels.bincount().tolist() == [4, 2, 6]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    for name in class_folders.SPLITS:
        with pytest.raises(SmisError, match="needs its folder: --root"):
            data.open_split(presets.data_spec(name, "smoke"), "train")
        with pytest.raises(SmisError, match="nowhere is not a folder"):
            data.classes(presets.data_spec(name, "smoke", str(tmp_path / "nowhere")))
    assert len(data.classes(presets.data_spec("imagenet", "paper"))) == 1000  # a rehearsal needs no folder
