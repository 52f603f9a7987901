"""Real data sets: their tables, their trees as released, what is wrong with a tree, and a training on each."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import sample_trees
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from smislib import cli, data, presets, runs
from smislib.config import DataSpec
from smislib.data import augment, check, folders, formats, label_tables
from smislib.data.loading import StepSampler, loader
from smislib.errors import SmisError
from smislib.evaluate import evaluate
from smislib.train import train

NAMES = sorted(formats.FORMATS)
SIZES = {"cityscapes": (32, 64)}


@pytest.fixture(scope="session")
def trees(tmp_path_factory) -> dict[str, Path]:
    return {name: sample_trees.make(name, tmp_path_factory.mktemp(name)) for name in NAMES}


@pytest.fixture
def tree(trees, tmp_path, home):
    """`tree(name)`: a copy of a sample tree that the test may spoil, and the spec that opens it at its own size."""

    def copy(name: str, **changes) -> tuple[Path, DataSpec]:
        root = tmp_path / name
        shutil.copytree(trees[name], root)
        height, width = SIZES.get(name, (32, 32))
        return root, DataSpec(**({"name": name, "height": height, "width": width, "root": str(root)} | changes))

    return copy


def stored(path: Path) -> np.ndarray:
    return np.array(Image.open(path)).astype(int)


# --- tables -----------------------------------------------------------------------------------------------------------


def table(remap: label_tables.Remap) -> dict[int, int]:
    return {value: c for value, _, c in remap.rows}


def test_cihp_becomes_the_eight_classes_of_the_paper():
    parts = {"hair": {1, 2}, "face": {4, 13}, "skin": {3, 10, 14, 15, 16, 17}, "top-clothes": {5, 6, 7, 11},
             "bottom-clothes": {9, 12}, "socks": {8}, "shoes": {18, 19}, "background": {0}}  # fmt: skip
    found = table(label_tables.CIHP)
    assert sorted(found) == [*range(20)]
    assert {name: {v for v in found if label_tables.SMIS_PARTS[found[v]] == name} for name in parts} == parts
    meaning = {value: name for value, name, _ in label_tables.CIHP.rows}
    assert (meaning[2], meaning[8], meaning[10], meaning[13], meaning[19]) == (
        "hair", "socks", "torso skin", "face", "right shoe",
    )  # fmt: skip


def test_scene_labels_become_classes_as_in_spade_and_smis():
    assert table(label_tables.CITYSCAPES) == {**{i: i for i in range(34)}, 255: 34}
    assert table(label_tables.ADE20K) == {0: 150, **{i + 1: i for i in range(150)}}
    assert table(label_tables.COCO_STUFF) == {**{i: i for i in range(182)}, 255: 182}
    names = {name: formats.FORMATS[name].classes.names for name in NAMES}
    assert {name: len(n) for name, n in names.items()} == {"ade20k": 151, "cityscapes": 35, "coco_stuff": 183, "deepfashion": 8}
    for name, at in {
        "cityscapes": {0: "unlabeled", 7: "road", 23: "sky", 24: "person", 26: "car", 33: "bicycle", 34: "license plate"},
        "ade20k": {0: "wall", 12: "person", 76: "boat", 126: "animal", 149: "flag", 150: "unknown"},
        "coco_stuff": {0: "person", 16: "cat", 90: "hair brush", 91: "banner", 156: "sky-other", 181: "wood", 182: "unknown"},
    }.items():
        assert {i: names[name][i] for i in at} == at


@pytest.mark.parametrize("name", NAMES)
def test_a_legend_names_every_class_once_and_tells_them_apart(name):
    form = formats.FORMATS[name]
    rows = form.legend()
    assert {row["class"] for row in rows} == set(range(len(form.classes)))
    assert all(row["name"] == form.classes.names[row["class"]] for row in rows)
    assert len(set(form.classes.names)) == len(form.classes)
    if name != "cityscapes":  # whose official colours are shared by classes that no evaluation tells apart
        assert len(set(form.classes.palette)) == len(form.classes)


@settings(max_examples=30)
@given(name=st.sampled_from(NAMES), values=st.lists(st.integers(0, 70_000), min_size=1))
def test_what_a_release_does_not_have_is_unknown(name, values):
    form, allowed = formats.FORMATS[name], table(formats.FORMATS[name].remap)
    wrong = form.unknown(np.array(values))
    assert wrong.tolist() == [v for v in values if v not in allowed]
    known = np.array([v for v in values if v in allowed] or [min(allowed)])
    assert form.class_map(known).tolist() == [allowed[v] for v in known]


# --- trees ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_released_tree_opens_with_its_labels_mapped(tree, name):
    root, spec = tree(name)
    report = check.check(spec)
    assert report.ok, report
    assert all(set(counts.values()) == {sample_trees.N} for counts in report.counts.values())
    form, layout = formats.FORMATS[name], formats.FORMATS[name].trees[0]
    for split in ("train", "test"):
        opened = data.open_split(spec, split)
        found = folders.entries(root, form, split)
        assert len(opened) == len(found) == sample_trees.N
        for sample, entry in zip((opened[i] for i in range(len(opened))), found, strict=True):
            assert entry.label.name == f"{sample['name']}{layout.label.tails[0]}"
            label = stored(entry.label)
            assert np.array_equal(sample["label_map"], folders.nearest(form.remap.lookup()[label], spec.height, spec.width))
            assert sample["label_map"].dtype == torch.int64
            if label.shape == (spec.height, spec.width):
                assert np.array_equal(((sample["image"] + 1) * 127.5).round().byte(), _pixels(entry.image))
            assert ("instance_map" in sample) == (layout.instance is not None)
        labels = data.one_hot(sample["label_map"][None], data.classes(spec))
        assert labels.shape == (1, len(form.classes), spec.height, spec.width)


def _pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path)).transpose(2, 0, 1)


def test_cityscapes_brings_its_instances_mirrored_with_the_image(tree):
    root, spec = tree("cityscapes", flip=True)
    train = data.open_split(spec, "train")
    path = root / "gtFine/train/aachen/aachen_000000_000019_gtFine_instanceIds.png"
    assert train[0]["instance_map"].dtype == torch.int64 and np.array_equal(train[0]["instance_map"], stored(path))
    assert {24_000, 24_001, 26_001} <= set(train[0]["instance_map"].unique().tolist())
    assert torch.equal(train[sample_trees.N]["instance_map"], train[0]["instance_map"].flip(-1))
    assert data.collate([train[0], train[1]])["instance_map"].shape == (2, 32, 64)
    assert data.classes(spec).things == tuple(range(24, 34))


def test_a_license_plate_that_was_painted_is_the_last_class(tree):
    root, spec = tree("cityscapes")
    for kind in ("labelIds", "instanceIds"):
        path = root / f"gtFine/train/aachen/aachen_000000_000019_gtFine_{kind}.png"
        values = np.array(Image.open(path))
        values[:4] = 255
        Image.fromarray(values).save(path)
    label_map = data.open_split(spec, "train")[0]["label_map"]
    assert (label_map[:4] == 34).all() and (label_map[4:] < 34).all()


def test_coco_stuff_is_read_in_the_layout_of_spade_too(tmp_path, home):
    root = tmp_path / "coco"
    sample_trees.make_coco_as_spade(root)
    spec = DataSpec("coco_stuff", 32, 32, root=str(root))
    report = check.check(spec)
    assert report.ok and report.counts["test"] == {"images": 4, "labels": 4, "instances": 4, "pairs": 4}, report
    sample = data.open_split(spec, "test")[0]
    assert np.array_equal(sample["instance_map"], stored(root / "val_inst" / f"{sample['name']}.png"))


@pytest.mark.parametrize("name", NAMES)
def test_any_size_and_aspect_that_the_network_can_take(tree, name):
    _, spec = tree(name, height=16, width=48)
    sample = data.open_split(spec, "test")[1]
    assert sample["image"].shape == (3, 16, 48) and sample["label_map"].shape == (16, 48)


# --- faults -----------------------------------------------------------------------------------------------------------


def _save(path: Path, pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def _swap(a: Path, b: Path) -> None:
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)


def _each(root: Path, pattern: str, change) -> None:
    for path in sorted(root.glob(pattern)):
        change(path)


def _full_ade20k(root: Path) -> None:
    shutil.rmtree(root / "annotations")
    _save(root / "images/training/a/abbey/ADE_train_00000001_seg.png", np.zeros((4, 4, 3)))


def _as_train_ids(path: Path) -> None:
    path.rename(str(path).replace("labelIds", "labelTrainIds"))


def _coarse(root: Path) -> None:
    (root / "gtFine").rename(root / "gtCoarse")


CITY, ADE = "gtFine/train/aachen/aachen_000000_000019_gtFine_", "annotations/training/ADE_train_00000001.png"
FAULTS = [  # format, what is done, the file at fault, words of its message
    ("deepfashion", lambda r: _save(r / "train/extra.png", np.zeros((32, 32, 3))), "train/extra.png", "has no label of the same"),
    ("deepfashion", lambda r: _each(r, "cihp_*/*", lambda p: _save(p, stored(p).clip(0, 7))), ".", "merged to 8 classes already"),
    ("deepfashion", lambda r: shutil.rmtree(r / "cihp_test_mask"), "cihp_test_mask", "is missing"),
    ("cityscapes", lambda r: (r / f"{CITY}instanceIds.png").unlink(),
     "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png", "has no instance of the same"),
    ("cityscapes", lambda r: _each(r, "gtFine/*/*/*_labelIds.png", _as_train_ids), ".", "converted to trainIds"),
    ("cityscapes", lambda r: _each(r, "gtFine/*/*/*_labelIds.png", Path.unlink), ".", "labels in colour alone"),
    ("cityscapes", _coarse, ".", "the coarse labels"),
    ("cityscapes", lambda r: shutil.copy(r / f"{CITY}color.png", r / f"{CITY}labelIds.png"), f"{CITY}labelIds.png",
     "4 channels (RGBA)"),
    ("cityscapes", lambda r: _swap(*sorted(r.glob("gtFine/train/aachen/*_instanceIds.png"))), f"{CITY}instanceIds.png",
     "label x 1000 + number"),
    ("cityscapes", lambda r: (r / "leftImg8bit/train/aachen/Thumbs.db").touch(), "leftImg8bit/train/aachen/Thumbs.db",
     "convert or remove"),
    ("cityscapes", lambda r: (r / f"{CITY}labelIds.png").write_bytes(b"\x89PNG"), f"{CITY}labelIds.png", "cannot be decoded"),
    ("ade20k", _full_ade20k, ".", "full release of ADE20K"),
    ("ade20k", lambda r: _save(r / ADE, np.full((32, 32), 151)), ADE, "holds 151, expected 0..150"),
    ("ade20k", lambda r: _save(r / ADE, np.zeros((32, 32, 3))), ADE, "3 channels (RGB)"),
    ("ade20k", lambda r: _save(r / ADE, np.ones((32, 31))), ADE, "31x32 but its image ADE_train_00000001.jpg is 32x32"),
    ("ade20k", lambda r: _each(r, "annotations/validation/*", lambda p: _save(p, 0 * stored(p))),
     "annotations/validation/ADE_val_00000003.png", "labels of a test set are withheld"),
    ("ade20k", lambda r: [(r / "ADEChallengeData2016").mkdir(), [(r / d).rename(r / "ADEChallengeData2016" / d)
                          for d in ("images", "annotations")]], ".", "give that folder"),
    ("coco_stuff", lambda r: _save(r / "annotations/val2017/000000000001.png", np.full((32, 32), 182)),
     "annotations/val2017/000000000001.png", "holds 182, expected 0..181, 255"),
    ("coco_stuff", lambda r: [shutil.rmtree(r / "annotations"), (r / "annotations").mkdir(),
                              (r / "annotations/stuff_train2017.json").touch()], ".", "polygons; fetch stuffthingmaps"),
    ("coco_stuff", lambda r: _each(r, "images/val2017/000000000002.jpg", lambda p: p.write_bytes(p.read_bytes()[:300])),
     "images/val2017/000000000002.jpg", "cannot be decoded"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spoil", "file", "words"), FAULTS, ids=[f"{name}-{words}" for name, _, _, words in FAULTS])
def test_a_wrong_tree_is_refused_by_the_name_of_its_file(tree, name, spoil, file, words):
    root, spec = tree(name)
    assert all(len(data.open_split(spec, split)) for split in ("train", "test"))  # remembered as sound
    spoil(root)
    report = check.check(spec)
    assert any(fault.path == root / file and words in fault.message for fault in report.faults), report
    with pytest.raises(SmisError, match="fault"):
        for split in ("train", "test"):
            data.open_split(spec, split)


def test_trainids_in_the_place_of_labelids_are_noticed(tree):
    root, spec = tree("cityscapes")
    for kind in ("labelIds", "instanceIds"):
        _each(root, f"gtFine/*/*/*_{kind}.png", lambda p: _save(p, np.where(stored(p) < 24, stored(p) % 19, 255)))
    assert all("these are trainIds" in fault.message for fault in check.check(spec).faults) and not check.check(spec).ok


def test_one_image_without_labels_in_many_is_a_note(tmp_path, home):
    for i in range(40):
        _save(tmp_path / "images/training" / f"{i}.jpg", np.zeros((4, 4, 3)))
        _save(tmp_path / "annotations/training" / f"{i}.png", np.full((4, 4), min(i, 1)))
    report = check.check(DataSpec("ade20k", 4, 4, root=str(tmp_path)), ["train"])
    assert report.ok and report.blank == (tmp_path / "annotations/training/0.png",)
    assert "note: " in str(report) and "published: 20210" in str(report) and "97.50%    wall" in str(report)


# --- augmentation, cache, workers -------------------------------------------------------------------------------------


def test_a_cut_is_a_part_of_the_enlarged_image_and_of_its_maps_alike(tree):
    _, spec = tree("cityscapes", margin=0.25)
    large, cut = (
        data.open_split(augment.enlarged(spec), "test"),
        augment.Cut(data.open_split(augment.enlarged(spec), "test"), 32, 64),
    )
    assert large[0]["image"].shape == (3, 40, 80) and len(cut) == augment.CUTS * len(large)
    places = set()
    for v in range(12):
        sample, whole = cut[v * len(large) + 1], large[1]
        found = [
            (top, left)
            for top in range(9)
            for left in range(17)
            if all(torch.equal(sample[k], whole[k][..., top : top + 32, left : left + 64])
                   for k in ("image", "label_map", "instance_map"))
        ]  # fmt: skip
        assert len(found) == 1
        places.update(found)
        assert torch.equal(cut[v * len(large) + 1]["image"], sample["image"])
    assert len(places) > 8
    assert len(data.open_split(spec, "train")) == augment.CUTS * sample_trees.N and len(data.open_split(spec, "test")) == 4
    with pytest.raises(SmisError, match=r"found -0\.1"):
        data.open_split(DataSpec("cityscapes", 32, 64, margin=-0.1, root=spec.root), "train")


@pytest.mark.parametrize("name", ["cityscapes", "ade20k"])
def test_a_presized_split_gives_the_same_samples_without_decoding(tree, monkeypatch, name):
    root, spec = tree(name, height=16, width=24)
    plain = [data.open_split(spec, "train")[i] for i in range(3)]
    made = data.presize(spec)
    assert all(folder.is_dir() for folder in made) and made == data.presize(spec)
    with monkeypatch.context() as patch:
        patch.setattr(folders, "decode", None)
        opened = data.open_split(spec, "train")
        for i, sample in enumerate(plain):
            assert sample.keys() == opened[i].keys() and opened[i]["name"] == sample["name"]
            assert all(torch.equal(sample[k], opened[i][k]) for k in sample if k != "name")
        assert len(pickle.dumps(opened.presized)) < 1000  # what a worker gets is its name
        assert torch.equal(pickle.loads(pickle.dumps(opened))[2]["image"], plain[2]["image"])
    path = next(root.glob("images/training/*1.jpg" if name == "ade20k" else "leftImg8bit/train/*/*0_000019_leftImg8bit.png"))
    _save(path, np.full_like(np.array(Image.open(path)), 255))
    assert data.open_split(spec, "train")[0]["image"].min() > 0.9  # another key: the old cache is not read


def test_a_cache_that_cannot_be_finished_leaves_nothing(tree, monkeypatch):
    _, spec = tree("ade20k")
    opened = data.open_split(spec, "test")

    def decode(index):
        if index == 2:
            raise SmisError("damaged")
        return opened.decode(index)

    with pytest.raises(SmisError, match="damaged"):
        opened.presized.build(decode)
    assert not [p for p in opened.presized.folder.parent.iterdir() if opened.presized.key in p.name]
    with pytest.raises(SmisError, match="mannequins are rendered"):
        data.presize(DataSpec("mannequins", 32, 32))


def test_workers_deliver_the_batches_of_one_process(tree):
    _, spec = tree("cityscapes", flip=True)
    dataset = data.open_split(spec, "train")
    steps = {workers: StepSampler(len(dataset), 3, 5, range(4)) for workers in (0, 2)}
    alone, together = ([*loader(dataset, sampler, workers, pin=False)] for workers, sampler in steps.items())
    for a, b in zip(alone, together, strict=True):
        assert a["name"] == b["name"] and all(torch.equal(a[k], b[k]) for k in ("image", "label_map", "instance_map"))
    fresh = [
        name
        for step in range(4)
        for name in (dataset[i]["name"] for i in StepSampler(len(dataset), 3, 5, range(0)).indices(step))
    ]
    assert [name for batch in alone for name in batch["name"]] == fresh  # a remembered order is the order


# --- experiments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_training_on_each_format_and_its_measures(trees, home, name):
    size = {"data.height": 16, "data.width": 32 if name == "cityscapes" else 16, "train.batch": 2,
            "train.steps": 6 if name in ("deepfashion", "cityscapes") else 2,  # many classes are slow on one core
            "evaluation.n_fid": 4, "evaluation.n_maps": 2, "evaluation.m_pairs": 1}  # fmt: skip
    texts = {key: str(value) for key, value in size.items()}
    experiment = presets.experiment("groupdnet", name, "smoke", root=str(trees[name]), assignments=texts)
    run = train(experiment, accelerator="cpu", progress=False)
    assert run.history()[-1]["step"] == size["train.steps"] and len(run.shares()) == 3
    records = {record.metric: record.value for record in evaluate(run, device="cpu", progress=False)}
    assert {"FID[embedded]", "mCSD[embedded]", "Params"} <= records.keys()
    assert np.isfinite(records["FID[embedded]"])
    s = runs.load(run.weights).schedule
    assert len(formats.FORMATS[name].classes) == s.C


def test_paper_experiments_are_the_released_ones_and_need_no_files(home):
    found = {name: presets.experiment("groupdnet", name, "paper", root="elsewhere") for name in NAMES}
    s = found["cityscapes"].network
    assert (s.height, s.width, s.C, s.channels[0], s.groups) == (256, 512, 35, 16 * 280, (35, 35, 20, 14, 10, 4, 1))
    s = found["ade20k"].network
    assert (s.height, s.width, s.C, s.channels, s.unused_channels) == (256, 256, 151, (2416, 2048, 1024, 1024, 512, 256, 128), 64)
    assert found["deepfashion"].network == presets.experiment("groupdnet", "mannequins", "paper").network
    assert {name: (e.train.batch, e.train.steps, e.train.constant) for name, e in found.items()} == {
        "deepfashion": (32, 90_700, 0.6), "cityscapes": (32, 18_400, 0.5), "ade20k": (16, 252_600, 0.5),
        "coco_stuff": (32, 369_600, 1.0),
    }  # fmt: skip
    assert {name: e.evaluation.n_fid for name, e in found.items()} == {
        "deepfashion": 2500, "cityscapes": 500, "ade20k": 2000, "coco_stuff": 5000,
    }  # fmt: skip
    with pytest.raises(SmisError, match="'ade20k' needs its folder: --root"):
        data.open_split(presets.experiment("groupdnet", "ade20k", "paper").data, "train")


def test_the_commands_name_every_fault_and_end_with_its_status(tree, monkeypatch, capsys):
    def smis(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["smis", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code, capsys.readouterr().out

    root, _ = tree("ade20k")
    status, out = smis("data", "cache", "ade20k", str(root), "--preset", "smoke")
    assert status == 0 and all(Path(line).is_dir() for line in out.split("\n") if line)
    status, out = smis("data", "check", "ade20k", str(root), "--preset", "smoke")
    assert status == 0 and "no faults" in out and "150" in out
    (root / "annotations/training/ADE_train_00000002.png").unlink()
    status, out = smis("data", "check", "ade20k", str(root), "--preset", "smoke")
    assert status == 2 and f"{root}/images/training/ADE_train_00000002.jpg has no label" in out


def test_labels_are_made_where_they_are_asked_for():
    classes = data.Classes(("a", "b", "c"), ((0, 0, 0),) * 3, ignore_index=255)
    label_map = torch.tensor([[[0, 2], [255, 1]]])
    labels = data.one_hot(label_map, classes, device="cpu")
    assert labels.argmax(1)[label_map != 255].tolist() == [0, 2, 1] and labels.sum(1).tolist() == [[[1, 1], [0, 1]]]
    assert labels.is_contiguous(memory_format=torch.channels_last)
    assert data.one_hot(label_map, classes, device="meta").device.type == "meta"
