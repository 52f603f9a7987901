"""A corpus of bad input. Whatever is wrong ends in status 2 and one message that names it; nothing is left behind, no code runs.

A case is a command line, words that its message must have (separated by |) and, where it needs files, what writes them into
the working directory. Unusual files that are nevertheless sound must be read as what they show.
"""

import base64
import contextlib
import io
import json
import os
import pickle
import re
import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sample_trees import make as make_tree
from sample_trees import make_pairs
from test_study import a_study

from smislib import app, convert, data, paths, presets, results, runs, studio
from smislib.cli import main
from smislib.config import DataSpec
from smislib.errors import SmisError
from smislib.ui import upload

SIZE = 32
fuzz = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def work(home, tmp_path, monkeypatch) -> Path:
    """The working directory, empty; the store is empty too, and no pretrained weights are there."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("SMIS_WEIGHTS", "DATA_ROOT"):  # set first: then what a command puts there is taken back, too
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return folder


def call(*arguments: str) -> tuple[int, str, str]:
    """(status, stdout, stderr) of a command line in this process. A traceback is an exception of the test."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["smis", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    said = re.sub(r"(?m)^W\d{4} .* torch/.*\n", "", err.getvalue())  # what torch logs of a machine without CUDA
    return ended.value.code, out.getvalue(), said


def files(folder: Path) -> dict:
    """What is there: folders, and files with their time; not the cache of rendered pictures, which the tests share."""
    found = (path for path in folder.rglob("*") if ".cache" not in path.parts and "torch" not in path.parts)
    return {str(path.relative_to(folder)): path.is_file() and (path.stat().st_mtime_ns, path.stat().st_size) for path in found}


def refused(line: str | list[str], words: str = "", *, again: bool = False) -> str:
    """Run a command line that must be refused in one message with these words, and leave everything as it was."""
    before = files(Path.cwd().parent)
    status, out, err = call(*(line.split(" ") if isinstance(line, str) else line))
    assert status == 2, (status, out, err)
    first, *rest = err.strip().split("\n")
    assert first.startswith("smis: ") and all(text.startswith("  ") for text in rest), err
    assert "Traceback" not in err and "Error(" not in err and "\x1b" not in err, err
    assert re.search(r"[.:)`\]\w]$", first) and len(first) > 20, err
    assert len(first) < 2000, err  # some list every model
    for word in filter(None, words.split("|")):
        assert word in err, (word, err)
    assert out == "" or line.startswith(("app ", "eval ")), out
    assert files(Path.cwd().parent) == before
    return err


def ids(cases: list[tuple]) -> list[str]:
    return [f"{i}-{case[0]}"[:70] for i, case in enumerate(cases)]


# --- values -----------------------------------------------------------------------------------------------------------

VALUES = [  # what --set is given, words of the message
    ("train.steps=-1", "TrainSpec.steps|at least 1|-1"),
    ("train.steps=1.5", "train.steps|int|1.5"),
    ("train.steps=true", "train.steps|int|True"),
    ("train.steps=null", "train.steps|int|None"),
    ("train.steps=", "train.steps|int|''"),
    ("train.steps=[1]", "train.steps|int|[1]"),
    ("train.steps=NaN", "train.steps|NaN"),
    ("train.steps=1e3", "train.steps|int|1000.0"),
    ("train.steps=9999999999999999999999", "TrainSpec.steps|at most|9999999999999999999999"),
    ("train.steps.more=3", "steps is a single value|'more'"),
    ("train.batch=0", "TrainSpec.batch|at least 1"),
    ("train.batch=x", "train.batch|int|'x'"),
    ("train.accumulate=3", "accumulate=3"),
    ("train.threads=0", "TrainSpec.threads|at least 1"),
    ("train.d_steps=0", "d_steps|at least 1"),
    ("train.standing=-1", "standing|at least 0"),
    ("train.log_every=0", "log_every|at least 1"),
    ("train.lr_g=-1", "lr_g|-1"),
    ("train.lr_g=NaN", "train.lr_g|NaN"),
    ("train.lr_d=Infinity", "train.lr_d|Infinity"),
    ("train.lr_d=1e999", "train.lr_d|1e999"),
    ("train.lr_g=fast", "train.lr_g|float|'fast'"),
    ("train.beta1=1", "beta1|[0, 1)"),
    ("train.ema=1.5", "ema|1.5"),
    ("train.constant=2", "constant|2.0"),
    ("train.precision=64-true", "unknown precision '64-true'"),
    ("train.optimizer=adamw", "unknown optimizer 'adamw'|'adam'"),
    ("train={}", "train is a group of values"),
    ("data.height=0", "DataSpec.height|at least 1|0"),
    ("data.height=-32", "DataSpec.height|at least 1|-32"),
    ("data.width=33", "33"),
    ("data.width=wide", "data.width|int|'wide'"),
    ("data.n_train=0", "DataSpec.n_train|at least 1|0"),
    ("data.n_train=-4", "DataSpec.n_train|at least 1|-4"),
    ("data.n_test=0", "DataSpec.n_test|at least 1|0"),
    ("data.seed=-1", "DataSpec.seed|at least 0|-1"),
    ("data.margin=-0.5", "data.margin|-0.5"),
    ("data.margin=NaN", "data.margin|NaN"),
    ("data.margin=3", "data.margin|3"),
    ("data.flip=yes", "data.flip|bool|'yes'"),
    ("data.name=streets", "data.name cannot be assigned|--data"),
    ("data.root=nowhere", "data.root cannot be assigned|--root"),
    ("data.hight=32", "unknown DataSpec key 'hight'|'height'"),
    ("data.=3", "unknown DataSpec key ''"),
    ("evaluation.n_fid=3", "n_fid|at least 4"),
    ("evaluation.n_maps=1", "n_maps|at least 2"),
    ("evaluation.m_pairs=0", "m_pairs|at least 1"),
    ("evaluation.backbone=imagenet", "unknown backbone of the metrics 'imagenet'"),
    ("evaluation=none", "evaluation is a group"),
    ("network.C=5", "CG-Norm: 5 -> 8 channels"),
    ("network.height=64", "network.height=64|data.height=32"),
    ("network.channels=[]", "-1 upsamplings"),
    ("network.channels=[0,0,0,0]", "64 -> 0 channels"),
    ("network.channels=wide", "network.channels|list|'wide'"),
    ("network.groups=[3,3,3,3]", "do not divide into 3 groups"),
    ("network.code=tensor", "unknown code 'tensor'"),
    ("network.class_view=none", "unknown class_view 'none'"),
    ("network.dropout=0.5", "unknown Schedule key 'dropout'"),
    ("network.d_layers=1000000", "d_layers is from 1 to 16|1000000"),
    ("network.d_scales=0", "d_scales is from 1 to 16|found 0"),
    ("network.fusion=1000000", "fusion is from 0|1000000"),
    ("network.fusion=1", "fusion_channels of 1 or more"),
    ("loss.kl=NaN", "NaN"),
    ("loss.k=1", "unknown VaeGan key 'k'"),
    ("seed=3", "seed cannot be assigned"),
    ("made_with=[]", "made_with cannot be assigned"),
    ("hash=abc", "unknown Experiment key 'hash'"),
    ("=3", "unknown Experiment key ''"),
    ("..=3", "unknown Experiment key ''"),
    ("train.steps", "'train.steps' is not KEY=VALUE"),
    ("", "'' is not KEY=VALUE"),
    ("trаin.steps=3", "unknown Experiment key 'trаin'"),  # a Cyrillic a
    ("train.steps=٣x", "train.steps|int"),
]


@pytest.mark.parametrize(("assignment", "words"), VALUES, ids=ids(VALUES))
def test_a_bad_value_is_refused(work, assignment, words):
    refused(["train", "groupdnet", "--preset", "smoke", "--no-progress", "--set", assignment], words)


TINY = ["--set", "data.n_train=8", "--set", "data.n_test=6", "--set", "train.steps=1"]


@given(st.sampled_from(["train.", "data.", "loss.", "network.", "evaluation.", ""]), st.text(max_size=8), st.text(max_size=8))
@fuzz
def test_any_text_is_a_value_or_refused(group, key, value):
    with contextlib.suppress(SmisError):
        presets.experiment("groupdnet", "mannequins", "smoke", assignments={group + key: value})


numbers = st.one_of(st.integers(-(10**6), 10**6), st.floats(), st.booleans(), st.none(), st.lists(st.integers(-3, 9), max_size=8))
keys = [
    f"{part}.{name}"
    for part in ("train", "data", "loss", "network", "evaluation")
    for name in vars(getattr(presets.experiment("groupdnet", preset="smoke"), part))
]


@given(st.sampled_from(keys), numbers)
@settings(fuzz, max_examples=150)
def test_any_number_is_a_value_that_can_be_built_or_refused(key, number):
    with contextlib.suppress(SmisError):
        e = presets.experiment("groupdnet", "mannequins", "smoke", assignments={key: json.dumps(number)})
        with torch.device("meta"):
            runs.build(e)


# --- command lines ----------------------------------------------------------------------------------------------------

COMMANDS = [
    ("trian", "No such command 'trian'"),
    ("--versoin", "No such option"),
    ("train", "Missing argument"),
    ("train groupdnet vspade", "unexpected extra argument"),
    ("train groupdnt", "unknown model 'groupdnt'|'groupdnet'"),
    ("train ../../etc/passwd", "unknown model '../../etc/passwd'"),
    ("train groupdnet --preset demoo", "unknown preset 'demoo'|'demo'"),
    ("train groupdnet --data imagnet", "unknown data set 'imagnet'|'imagenet'"),
    ("train groupdnet --preset smoke --data tokens", "groupdnet learns from label maps|tokens"),
    ("train biggan --preset smoke --data mannequins", "biggan|one class for each image"),
    ("train groupdnet --preset smoke --seed x", "--seed|valid int"),
    ("train groupdnet --preset smoke --seed -1", "seed|-1"),
    ("train groupdnet --preset smoke --seed 99999999999999999999", "seed|99999999999999999999"),
    ("train groupdnet --preset smoke --set loss.backbone=vgg", "unknown perceptual backbone 'vgg'"),
    ("train groupdnet --preset smoke --set loss.backbone=vgg19", "needs vgg19"),
    ("train oasis --preset smoke --set loss.perceptual=10", "loss.perceptual=10.0|'none'|loss.backbone=embedded"),
    ("train oasis --preset smoke --set loss.backbone=embedded", "loss.perceptual=0.0|'embedded'|train nothing"),
    ("train oasis --preset smoke --set loss.unlabelled=8", "loss.unlabelled=8 is none of the 8 classes"),
    ("train oasis --preset smoke --set network.discriminator=patch", "network.discriminator='patch'|oasis_patch"),
    ("train biggan --data tokens --preset smoke --set loss.rotation_d=1", "loss.rotation_d=1.0|--set network.rotations=true"),
    ("train biggan --data tokens --preset smoke --set loss.classifier=1", "loss.classifier=1.0|--set network.classifier=true"),
    (
        "train biggan --data tokens --preset smoke --set loss.labels=inferred",
        "loss.labels='inferred'|loss.labeller=''|labeller_20",
    ),
    ("train biggan --data tokens --preset smoke --set loss.labeller=rotation", "loss.labels='true'|loss.labeller='rotation'"),
    ("train s2gan_20 --data tokens --preset smoke --set loss.labeller=labeler_5", "unknown labeller 'labeler_5'|'labeller_5'"),
    ("train groupdnet --preset smoke --devices 0", "0 device(s)"),
    ("train groupdnet --preset smoke --devices -2", "-2 device(s)"),
    ("train groupdnet --preset smoke --nodes 0", "0 node(s)"),
    ("train groupdnet --preset smoke --accelerator tpuu", "accelerator=tpuu"),
    ("train groupdnet --preset smoke --accelerator cpu --set train.precision=16-mixed", "16-mixed needs a GPU"),
    ("train groupdnet --preset smoke --root nowhere", "mannequins|--root|nowhere"),
    ("train groupdnet --preset smoke --data deepfashion", "'deepfashion' needs its folder: --root"),
    ("train groupdnet --preset smoke --data cityscapes --root nowhere", "nowhere is not a folder"),
    ("train pix2pix --preset smoke --data facades --root nowhere", "nowhere"),
    ("train biggan --preset smoke --data classes --root nowhere", "nowhere is not a folder"),
    ("train groupdnet --data custom --root " + "x" * 300, "x" * 100),
    ("train groupdnet --data custom --root " + "x/" * 3000, "x/x/x"),
    ("eval nothing", "is empty"),
    ("eval --device cpu", "Missing argument"),
    ("show nothing", "is empty"),
    ("convert nowhere.pth smis/deepfashion/G", "there is no file nowhere.pth"),
    ("convert nowhere.pth", "Missing argument"),
    ("reproduce --preset smokey", "unknown preset 'smokey'"),
    ("reproduce --preset smoke --seeds 0", "seeds|at least 1|0"),
    ("reproduce --preset smoke --seeds -1", "seeds|at least 1|-1"),
    ("reproduce --preset smoke --jobs 0", "jobs|at least 1|0"),
    ("reproduce --preset smoke --jobs -3", "jobs|at least 1|-3"),
    ("reproduce --preset smoke --paper spad", "unknown paper 'spad'|'spade'"),
    ("reproduce --preset smoke --root nowhere", "nowhere"),
    ("notebooks 77", "unknown notebook '77'"),
    ("notebooks 02 --preset smokey", "unknown preset 'smokey'"),
    ("notebooks 02 --preset smoke -p prest=smoke", "unknown parameter of 02_group_convolution_and_cgnorm.py 'prest'|'preset'"),
    ("notebooks 02 --preset smoke -p preset", "'preset' is not KEY=VALUE"),
    ("notebooks 02 --preset smoke -p preset=3", "give --preset"),
    ("notebooks 04 --preset smoke -p preset=smokey", "give --preset"),
    ("notebooks 02 --preset smoke -p =3", "unknown parameter|''"),
    ("notebooks ../cli", "unknown notebook"),
    ("report --preset smokey --no-pdf", "unknown preset 'smokey'"),
    ("report --preset ../../elsewhere --no-pdf", "unknown preset '../../elsewhere'"),
    ("why table01 GroupDNet", "Missing argument"),
    ("why table01 GroupDNet FID --preset smokey", "unknown preset 'smokey'"),
    ("why table01 GroupDNet FID --preset smoke", "has no tables"),
    ("why nowhere/table01.csv GroupDNet FID --preset smoke", "has no tables"),
    ("data crop nowhere new", "nowhere has no class list"),
    ("data crop nowhere new --aspect wide", "Invalid value for '--aspect'"),
    ("publish --preset smokey", "unknown preset 'smokey'"),
    ("publish --preset smoke --paper spad", "unknown paper 'spad'"),
    ("publish --preset smoke", "no finished run"),
    ("ship nothing", "is empty"),
    ("render nowhere.json", "nowhere.json"),
    ("render", "Missing argument"),
    ("app --port 99999", "port|99999"),
    ("app --port -1", "port|-1"),
    ("app --port http", "--port|valid int"),
    ("app --model nowhere.safetensors", "there is no weights file nowhere.safetensors"),
    ("app --model nowhere", "is empty"),
    ("data", "Missing command"),
    ("data chek custom", "No such command 'chek'"),
    ("data check custum nowhere", "unknown data set 'custum'|'custom'"),
    ("data check custom", "needs its folder"),
    ("data check custom nowhere", "nowhere is not a folder"),
    ("data check aligned nowhere", "nowhere"),
    ("data check aligned", "needs its folder"),
    ("data check imagenet nowhere", "nowhere is not a folder"),
    ("data check mannequins", "no folder to check"),
    ("data check mannequins .", "mannequins|have no folder|--root ."),
    ("data check tokens", "no folder to check"),
    ("data check custom . --preset big", "unknown preset 'big'"),
    ("data cache imagenet .", "no folder"),
    ("data cache custom nowhere", "nowhere is not a folder"),
    ("study make a she", "Missing argument"),
    ("study make a her nothing", "unknown protocol 'her'"),
    ("study make a she nothing", "is empty"),
    ("study make ../a she nothing", "is empty"),
    ("study trials nothing r01", "unknown study 'nothing'"),
    ("study score nothing", "unknown study 'nothing'"),
    ("study score ../runs", "unknown study '../runs'"),
    ("study import nothing a.csv", "unknown study 'nothing'"),
]


@pytest.mark.parametrize(("line", "words"), COMMANDS, ids=ids(COMMANDS))
def test_a_bad_command_line_is_refused(work, line, words):
    refused(line, words)


def test_a_folder_that_is_set_but_not_there_is_named(work, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", "nowhere")
    refused("reproduce --preset smoke", "nowhere")
    monkeypatch.delenv("DATA_ROOT")
    (work / "file").touch()
    monkeypatch.setenv("SMIS_HOME", str(work / "file"))
    refused("train groupdnet --preset smoke --no-progress " + " ".join(TINY), "file")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9), min_size=1, max_size=4))
@fuzz
def test_any_words_are_a_command_line_or_refused(words):
    status, _, err = call(*words)
    assert status == 0 or (status == 2 and err.startswith("smis: "))


# --- folders and their pictures ---------------------------------------------------------------------------------------


def pixels(i: int, size: int = SIZE) -> np.ndarray:
    """A picture (size,size,3): four colours, each another, so that no rotation or mirror image is the picture."""
    found = np.zeros((size, size, 3), np.uint8)
    found[: size // 2, : size // 2], found[: size // 2, size // 2 :] = (200, 30, 30 + i), (30, 200, 30)
    found[size // 2 :, : size // 2], found[size // 2 :, size // 2 :] = (30, 30, 200), (220, 220, 90)
    return found


def classes_of(i: int, size: int = SIZE) -> np.ndarray:
    found = np.zeros((size, size), np.uint8)
    found[: size // 2, size // 2 :], found[size // 2 :, : size // 2], found[size // 2 :, size // 2 :] = 1, 2, 3
    return found


def custom(root: Path, n: int = 4) -> Path:
    """A folder without faults: four classes."""
    for split in ("train", "test"):
        for i in range(n):
            save(root / split / "images" / f"p{i}.png", pixels(i))
            save(root / split / "labels" / f"p{i}.png", classes_of(i))
    (root / "classes.json").write_text(json.dumps({"names": ["sky", "tree", "lake", "road"]}))
    return root


def save(path: Path, image: np.ndarray | Image.Image, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)


def raw_png(depth: int, kind: int, rows: bytes, size: tuple[int, int] = (SIZE, SIZE)) -> bytes:
    """A PNG byte by byte: `depth` bits, colour type `kind`."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def packed(values: np.ndarray, depth: int) -> bytes:
    """Rows of a grey PNG of 1, 2 or 4 bits a pixel."""
    bits = np.unpackbits(values[..., None].astype(np.uint8), axis=-1)[..., 8 - depth :].reshape(len(values), -1)
    return b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def encoded(image: Image.Image, form: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def animated(form: str) -> bytes:
    frames = [Image.fromarray(pixels(40 * i)).convert("P" if form == "gif" else "RGB") for i in range(3)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:])


I0, L0 = "train/images/p0.png", "train/labels/p0.png"
RGB, LABEL = Image.fromarray(pixels(0)), Image.fromarray(classes_of(0))


def put(place: str, body: bytes):
    return lambda root: (root / place).write_bytes(body)


def told(place: str, text: str):
    return lambda root: (root / place).write_text(text)


def labels_as(image: Image.Image, form: str = "png", **options):
    return put(L0, encoded(image, form, **options))


def indexed(label: Image.Image) -> Image.Image:
    """With a palette, whose colours say nothing."""
    found = label.copy()
    found.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200, 9, 9, 9])
    return found


def odd(value: int) -> np.ndarray:
    values = classes_of(0).astype(np.uint16 if value > 255 else np.uint8)
    values[5, 7] = value
    return values


def both(*acts):
    return lambda root: [act(root) for act in acts]


FOLDERS = [  # what is done to the folder, words of the message
    ("empty", lambda r: [shutil.rmtree(r), r.mkdir()], "has no class list"),
    ("a file", lambda r: [shutil.rmtree(r), r.touch()], "is not a folder"),
    ("no train", lambda r: shutil.rmtree(r / "train"), "train/images is missing"),
    ("no labels", lambda r: shutil.rmtree(r / "train/labels"), "train/labels is missing"),
    ("empty labels", lambda r: [p.unlink() for p in (r / "train/labels").iterdir()], "train/labels holds no labels"),
    ("plural names", lambda r: (r / "train/images").rename(r / "train/image"), "train/images is missing"),
    ("an upper-case folder", lambda r: (r / "train").rename(r / "Train"), "train/images is missing"),
    ("its parent", lambda r: [(r / "inner").mkdir(), *((p.rename(r / "inner" / p.name)) for p in (r / "train", r / "test"))],
     "give that folder"),
    ("a label too few", lambda r: (r / L0).unlink(), "images/p0.png has no label"),
    ("an image too few", lambda r: (r / I0).unlink(), "labels/p0.png has no image"),
    ("another name", lambda r: (r / L0).rename(r / "train/labels/p0_mask.png"), "p0_mask.png has no image"),
    ("twins", lambda r: save(r / "train/images/p0.jpg", RGB), "p0.png has the same name as p0.jpg"),
    ("a stray text", told("train/images/readme.txt", "hello"), "readme.txt is neither"),
    ("a stray folder", lambda r: (r / "train/images/more").mkdir(), "more is neither"),
    ("a folder named as an image", lambda r: [(r / I0).unlink(), (r / I0).mkdir()], "p0.png is neither"),
    ("a dangling link", lambda r: [(r / I0).unlink(), (r / I0).symlink_to("nowhere.png")], "p0.png"),
    ("names of case", lambda r: (r / L0).rename(r / "train/labels/P0.png"), "P0.png has no image"),
    # class lists
    ("no class list", lambda r: (r / "classes.json").unlink(), "has no class list"),
    ("a class list that is a folder", lambda r: [(r / "classes.json").unlink(), (r / "classes.json").mkdir()], "classes.json"),
    ("classes: not JSON", told("classes.json", "{names:"), "classes.json is not valid JSON"),
    ("classes: empty", told("classes.json", ""), "classes.json is not valid JSON"),
    ("classes: a number", told("classes.json", "3"), "classes.json must hold an object"),
    ("classes: another key", told("classes.json", '{"labels": ["a"]}'), "unknown key"),
    ("classes: no names", told("classes.json", "{}"), "must be a list of different names"),
    ("classes: a text", told("classes.json", '{"names": "abcd"}'), "must be a list of different names|'abcd'"),
    ("classes: a dict", told("classes.json", '{"names": {"a": 0, "b": 1}}'), "must be a list of different names"),
    ("classes: numbers", told("classes.json", "[1, 2, 3, 4]"), "must be a list of different names"),
    ("classes: twice", told("classes.json", '["a", "b", "a", "c"]'), "must be a list of different names"),
    ("classes: a short palette", told("classes.json", '{"names": ["a", "b", "c", "d"], "palette": [[1, 2, 3]]}'), "1 palette"),
    ("classes: a number as palette", told("classes.json", '{"names": ["a", "b", "c", "d"], "palette": 7}'), "palette|7"),
    ("classes: flat palette", told("classes.json", '{"names": ["a"], "palette": [1, 2, 3]}'), "palette|[1, 2, 3]"),
    ("classes: bright palette", told("classes.json", '{"names": ["a"], "palette": [[1, 2, 300]]}'), "palette|300"),
    ("classes: ignore a class", told("classes.json", '{"names": ["a", "b", "c", "d"], "ignore_index": 2}'), "ignore_index|2"),
    ("classes: ignore a text", told("classes.json", '{"names": ["a", "b", "c", "d"], "ignore_index": "x"}'), "ignore_index|'x'"),
    ("classes: ignore -1", told("classes.json", '{"names": ["a", "b", "c", "d"], "ignore_index": -1}'), "ignore_index|-1"),
    ("classes: ignore a lot", told("classes.json", '{"names": ["a", "b", "c", "d"], "ignore_index": 1e9}'), "ignore_index"),
    ("classes: deep", told("classes.json", "[" * 100_000), "classes.json"),
    ("classes: binary", put("classes.json", b"\xff\xfe\x00"), "classes.json"),
    ("classes.txt: binary", lambda r: [(r / "classes.json").unlink(), (r / "classes.txt").write_bytes(b"\xff\xfe\x00")],
     "classes.txt"),
    ("classes.txt: empty", lambda r: [(r / "classes.json").unlink(), (r / "classes.txt").touch()], "list of different names"),
    # label images
    ("label RGB", labels_as(RGB), f"{L0}|3 channels (RGB)"),
    ("label RGBA", labels_as(RGB.convert("RGBA")), f"{L0}|4 channels (RGBA)"),
    ("label LA", labels_as(LABEL.convert("LA")), f"{L0}|2 channels (LA)"),
    ("label 0/255", labels_as(Image.fromarray((classes_of(0) > 1).astype(np.uint8) * 255)), f"{L0} holds 255, expected 0..3"),
    ("label one odd pixel", labels_as(Image.fromarray(odd(4))), f"{L0} holds 4, expected 0..3"),
    ("label 16 bits, odd", labels_as(Image.fromarray(odd(40_000))), f"{L0} holds 40000, expected 0..3"),
    ("label scaled to grey", labels_as(Image.fromarray(classes_of(0) * 85)), f"{L0} holds 85, 170, 255"),
    ("label RGB of 16 bits", put(L0, raw_png(16, 2, b"".join(b"\0" + bytes(6 * SIZE) for _ in range(SIZE)))), f"{L0}|RGB"),
    ("label TIFF, float", labels_as(Image.fromarray(classes_of(0).astype(np.float32)), "tiff"), f"{L0}|TIFF"),
    ("label JPEG named png", labels_as(LABEL, "jpeg"), f"{L0}|JPEG"),
    ("label GIF named png", labels_as(LABEL, "gif"), f"{L0}|GIF"),
    ("label BMP named png", labels_as(LABEL, "bmp"), f"{L0}|BMP"),
    ("label named jpg", lambda r: [(r / L0).unlink(), save(r / "train/labels/p0.jpg", LABEL)], "p0.jpg must be a PNG"),
    ("label APNG", put(L0, animated("png")), f"{L0}|frames"),
    ("label another size", labels_as(LABEL.crop((0, 0, 31, 32))), f"{L0} is 31x32 but its image p0.png is 32x32"),
    ("label a row too few", labels_as(LABEL.crop((0, 0, 32, 31))), f"{L0} is 32x31"),
    ("label empty", put(L0, b""), f"{L0} cannot be decoded"),
    ("label truncated", put(L0, encoded(LABEL, "png")[:60]), f"{L0} cannot be decoded"),
    ("label a web page", put(L0, b"<html>404</html>"), f"{L0} cannot be decoded"),
    ("label numpy", put(L0, b"\x93NUMPY" + bytes(99)), f"{L0} cannot be decoded"),
    ("label a bomb", put(L0, raw_png(1, 0, b"", (30_000, 30_000))), f"{L0} cannot be decoded|900000000 pixels"),
    ("label upside down", labels_as(LABEL, exif=turned(3)), f"{L0}|orientation 3"),
    # images
    ("image empty", put(I0, b""), f"{I0} cannot be decoded"),
    ("image truncated", put(I0, encoded(RGB, "png")[:-40]), f"{I0} cannot be decoded"),
    ("image truncated JPEG", put(I0, encoded(RGB, "jpeg")[:-200]), f"{I0} cannot be decoded"),
    ("image a text", put(I0, b"hello" * 50), f"{I0} cannot be decoded"),
    ("image SVG", put(I0, b"<svg xmlns='http://www.w3.org/2000/svg'/>"), f"{I0} cannot be decoded"),
    ("image PDF", put(I0, encoded(RGB, "pdf")), f"{I0} cannot be decoded"),
    ("image bad check sum", put(I0, encoded(RGB, "png").replace(b"IDAT", b"IDAt", 1)), f"{I0} cannot be decoded"),
    ("image a bomb", put(I0, raw_png(8, 2, b"", (40_000, 40_000))), f"{I0} cannot be decoded|1600000000 pixels"),
    ("image a small bomb", put(I0, raw_png(8, 2, b"", (10_000, 10_000))), f"{I0} cannot be decoded|100000000 pixels"),
    ("image of no pixels", put(I0, raw_png(8, 2, b"", (0, 0))), f"{I0}"),
    ("image APNG", put(I0, animated("png")), f"{I0}|3 frames"),
    ("image GIF", put(I0, animated("gif")), f"{I0}|3 frames"),
    ("image 16 bits grey", put(I0, encoded(Image.fromarray(classes_of(0).astype(np.uint16) * 999), "png")), f"{I0}|8 bits"),
    ("image float", put(I0, encoded(Image.fromarray(classes_of(0).astype(np.float32)), "tiff")), f"{I0}|8 bits"),
    ("image transparent", put(I0, encoded(Image.new("RGBA", (32, 32), (9, 9, 9, 90)), "png")), f"{I0} has transparent pixels"),
    ("image transparent palette", put(I0, encoded(RGB.quantize(4), "png", transparency=0)), f"{I0} has transparent pixels"),
    ("image another shape", both(put(I0, encoded(RGB.crop((0, 0, 16, 32)), "png")), labels_as(LABEL.crop((0, 0, 16, 32)))),
     f"{I0} is 16x32, of another shape than 32x32"),
    ("image upside down", put(I0, encoded(RGB, "png", exif=turned(3))), f"{I0}|orientation 3|{Path(L0).name}"),
    ("image mirrored", put(I0, encoded(RGB, "png", exif=turned(2))), f"{I0}|orientation 2"),
    ("both upside down", both(put(I0, encoded(RGB, "png", exif=turned(3))), labels_as(LABEL, exif=turned(3))),
     f"{L0}|orientation 3"),
    ("image on its side", put(I0, encoded(RGB, "png", exif=turned(6))), f"{I0}|orientation 6"),
]  # fmt: skip
STEP = ["--preset", "smoke", "--no-progress", "--set", "train.steps=1", "--set", "train.batch=2"]


@pytest.mark.parametrize(("name", "spoil", "words"), FOLDERS, ids=ids(FOLDERS))
def test_a_bad_folder_is_refused_by_the_name_of_its_file(work, name, spoil, words):
    root = custom(work / "folder")
    spoil(root)
    refused(["train", "groupdnet", "--data", "custom", "--root", "folder", *STEP], words)
    refused(["data", "cache", "custom", "folder", "--preset", "smoke"], words)
    status, out, err = call("data", "check", "custom", "folder", "--preset", "smoke")
    assert status == 2 and "Traceback" not in err
    assert all(word in out + err for word in words.split("|")), out + err


UNUSUAL = [  # what is done to the folder that changes neither pixels nor classes
    ("a CMYK image", lambda r: [(r / I0).unlink(), save(r / "train/images/p0.jpg", RGB.convert("CMYK"), quality=100)]),
    ("a palette image", put(I0, encoded(RGB.quantize(4), "png"))),
    ("an RGBA image without transparency", put(I0, encoded(RGB.convert("RGBA"), "png"))),
    ("a JPEG named png", put(I0, encoded(RGB, "jpeg", quality=100, subsampling=0))),
    ("an RGB image of 16 bits",
     put(I0, raw_png(16, 2, b"".join(b"\0" + np.repeat(row, 2).tobytes() for row in pixels(0))))),
    ("orientation 1", put(I0, encoded(RGB, "png", exif=turned(1)))),
    ("an indexed label of other colours", labels_as(indexed(LABEL))),
    ("an indexed label of 2 bits", labels_as(indexed(LABEL), bits=2)),
    ("a label of 16 bits", labels_as(Image.fromarray(classes_of(0).astype(np.uint16)))),
    ("a label of 2 bits", put(L0, raw_png(2, 0, packed(classes_of(0), 2)))),
    ("a label of 4 bits", put(L0, raw_png(4, 0, packed(classes_of(0), 4)))),
    ("a hidden file", told("train/images/.DS_Store", "x")),
    ("an upper-case tail", lambda r: (r / I0).rename(r / "train/images/p0.PNG")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change"), UNUSUAL, ids=ids(UNUSUAL))
def test_what_is_unusual_but_sound_is_read_as_what_it_shows(work, name, change):
    root = custom(work / "folder")
    change(root)
    status, out, err = call("data", "check", "custom", "folder", "--preset", "smoke")
    assert status == 0 and "no faults" in out, out + err
    sample = data.open_split(DataSpec("custom", SIZE, SIZE, root="folder"), "train")[0]
    assert np.array_equal(sample["label_map"], classes_of(0))
    shown = (sample["image"].movedim(0, -1).numpy() + 1) * 127.5
    assert np.abs(shown - pixels(0)).mean() < 6  # JPEG


def test_greyscale_and_one_bit(work):
    root = custom(work / "folder")
    save(root / I0, RGB.convert("L"))
    ones = (classes_of(0) > 1).astype(np.uint8)
    (root / L0).write_bytes(raw_png(1, 0, packed(ones, 1)))
    sample = data.open_split(DataSpec("custom", SIZE, SIZE, root="folder"), "train")[0]
    assert np.array_equal(sample["label_map"], ones)
    assert torch.equal(sample["image"][0], sample["image"][1]) and sample["image"].std() > 0.1


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_an_orientation_that_the_sizes_tell_is_applied(work, orientation):
    """The label map is upright, as labelling programs show the picture."""
    root, size = work / "folder", (SIZE, SIZE // 2)
    for split in ("train", "test"):
        save(root / split / "images/p.png", RGB.resize(size, Image.Resampling.NEAREST))
        save(root / split / "labels/p.png", LABEL.resize(size, Image.Resampling.NEAREST))
    (root / "classes.json").write_text('["a", "b", "c", "d"]')
    spec = DataSpec("custom", size[1], size[0], root="folder")
    plain = data.open_split(spec, "train")[0]
    back = {
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = Image.open(root / "train/images/p.png").transpose(back[orientation])
    stored.save(root / "train/images/p.png", exif=turned(orientation))
    found = data.open_split(spec, "train")[0]
    assert torch.equal(found["image"], plain["image"]) and torch.equal(found["label_map"], plain["label_map"])


place = st.integers(0, 10_000)


@given(
    st.sampled_from([(I0, "png"), (I0, "jpeg"), (L0, "png")]),
    place,
    st.integers(1, 255),
    st.sampled_from(["flip", "cut", "grow"]),
)
@settings(fuzz, max_examples=60)
def test_a_damaged_file_is_read_or_named(work, which, at, bits, how):
    """One byte is another, the rest is missing, or more follows: decoders then raise what they like."""
    file, form = which
    root = custom(work / "folder", 1)
    whole = encoded(RGB if file == I0 else LABEL, form)
    at %= len(whole)
    changed = {"flip": bytes([whole[at] ^ bits]) + whole[at + 1 :], "cut": b"", "grow": bytes([bits]) * 50 + whole[at:]}
    (root / file).write_bytes(whole[:at] + changed[how])
    status, out, err = call("data", "check", "custom", "folder", "--preset", "smoke")
    assert status == 0 or file in out or file.split("/")[-1] in out, out + err  # two files that disagree: by their names


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 300), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["names", "a"]), inner, max_size=3)),
    max_leaves=9,
)  # fmt: skip


@given(
    st.one_of(
        json_values,
        st.fixed_dictionaries({"names": st.just(["a", "b"])}, optional={"palette": json_values, "ignore_index": json_values}),
    )
)
@fuzz
def test_any_class_list_is_read_or_refused(work, value):
    (work / "classes.json").write_text(json.dumps(value))
    with contextlib.suppress(SmisError):
        data.classes(DataSpec("custom", SIZE, SIZE, root="."))


def pairs(root: Path) -> Path:
    return make_pairs(root)


def sorted_images(root: Path) -> Path:
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            for i in range(2):
                save(root / split / name / f"{i}.png", pixels(i))
    return root


OTHERS = [  # data set, what is done, words of the message
    ("aligned", lambda r: shutil.rmtree(r / "train"), "no folder train"),
    ("aligned", lambda r: [p.unlink() for p in (r / "test").iterdir()], "test holds no images"),
    ("aligned", put("train/0.jpg", b""), "train/0.jpg cannot be decoded"),
    ("aligned", put("train/0.jpg", b"text"), "train/0.jpg cannot be decoded"),
    ("aligned", put("train/0.jpg", encoded(RGB.resize((64, 32)), "jpeg")[:-300]), "train/0.jpg cannot be decoded"),
    ("aligned", put("train/0.jpg", raw_png(8, 2, b"", (40_000, 20_000))), "train/0.jpg cannot be decoded|800000000 pixels"),
    ("aligned", lambda r: save(r / "train/0.jpg", np.zeros((32, 63, 3), np.uint8)), "train/0.jpg is 63x32|even"),
    ("aligned", lambda r: save(r / "train/0.jpg", np.zeros((32, 64), np.uint8)), "train/0.jpg|(L)"),
    ("aligned", lambda r: save(r / "train/0.jpg", Image.new("CMYK", (64, 32))), "train/0.jpg|(CMYK)"),
    ("aligned", lambda r: save(r / "train/0.jpg", Image.new("RGB", (64, 32)), exif=turned(6)), "train/0.jpg|orientation 6"),
    ("aligned", put("train/0.png", animated("png")), "train/0.png|3 frames"),
    ("facades", lambda r: [p.rename(p.with_suffix(".tif")) for p in (r / "train").iterdir()], "train holds no images"),
    ("classes", lambda r: shutil.rmtree(r / "test"), "no folder test"),
    ("classes", lambda r: shutil.rmtree(r / "test/bee"), "class 'bee' has images in"),
    ("classes", lambda r: [p.unlink() for p in (r / "train/ant").iterdir()], "train/ant holds no images"),
    ("classes", put("train/ant/0.png", b""), "train/ant/0.png cannot be decoded"),
    ("classes", put("train/ant/0.png", encoded(RGB, "png")[:-40]), "train/ant/0.png cannot be decoded"),
    ("classes", put("train/ant/1.png", raw_png(8, 2, b"", (40_000, 40_000))), "train/ant/1.png cannot be decoded"),
    ("classes", put("train/ant/1.png", animated("png")), "train/ant/1.png|3 frames"),
    ("classes", lambda r: save(r / "train/ant/1.png", np.zeros((32, 31, 3), np.uint8)), "ant/1.png is 31x32|one size"),
    ("classes", lambda r: save(r / "test/bee/1.png", RGB.resize((16, 32)), exif=turned(6)), "bee/1.png is 32x16"),
    ("classes", lambda r: save(r / "train/a.png", RGB), "a.png lies beside the class folders"),
    ("classes", told("labels.csv", "name;class\ntrain/ant/0.png;ant"), "labels.csv must begin with the line 'file,class'"),
    ("classes", told("labels.csv", "file,class\ntrain/ant/9.png,ant"), "labels.csv, line 2|'train/ant/9.png' is not there"),
    ("classes", told("labels.csv", "file,class\ntrain/ant/0.png,bee"), "line 2|is of class 'bee'"),
    ("classes", put("labels.csv", b"file,class\n\xff\xfe"), "labels.csv"),
    ("classes", put("labels.csv", b"file,class\n" + b"x" * 200_000 + b",a"), "labels.csv"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spoil", "words"), OTHERS, ids=ids(OTHERS))
def test_a_bad_folder_of_pairs_or_of_classes_is_refused(work, name, spoil, words):
    root = (sorted_images if name == "classes" else pairs)(work / "folder")
    spoil(root)
    refused(["data", "check", name, "folder", "--preset", "smoke"], words)
    if "cannot be decoded" not in words:  # that of one whose header is sound comes when the image is drawn
        model = "biggan" if name == "classes" else "pix2pix"
        refused(["train", model, "--data", name, "--root", "folder", *STEP], words)


REAL = [
    ("cityscapes", lambda r: (r / "leftImg8bit").rename(r / "leftImg8Bit"), "leftImg8bit"),
    ("cityscapes", lambda r: shutil.rmtree(r / "gtFine/val"), "gtFine/val"),
    ("ade20k", lambda r: (r / "images/training").rename(r / "images/train"), "images/training is missing"),
    ("coco_stuff", lambda r: shutil.rmtree(r / "annotations"), "annotations"),
    ("deepfashion", lambda r: shutil.rmtree(r / "train"), "train is missing"),
]


@pytest.mark.parametrize(("name", "spoil", "words"), REAL, ids=ids(REAL))
def test_a_bad_tree_of_a_real_data_set_is_refused(work, name, spoil, words):
    spoil(make_tree(name, work / "folder"))
    status, out, err = call("data", "check", name, "folder", "--preset", "smoke")
    assert status == 2 and words in out and err == ""
    refused(["data", "cache", name, "folder", "--preset", "smoke"], words)


# --- checkpoints and weights ------------------------------------------------------------------------------------------


class Payload:
    """A pickle that writes a file when it is read."""

    def __reduce__(self):
        return os.system, ("touch payload_ran",)


class Indirect:
    """Likewise by `eval`, and by way of a class's state."""

    def __reduce__(self):
        return eval, ("__import__('pathlib').Path('payload_ran').touch()",)


def saved(value: object, **options) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def flipped(body: bytes, at: float = 0.5) -> bytes:
    i = int(len(body) * at)
    return body[:i] + bytes([body[i] ^ 64]) + body[i + 1 :]


STATE = {"fc.weight": torch.arange(4000.0).reshape(4, 1000)}
BACK = b"\x80\x02cos\nsystem\nX\x11\x00\x00\x00touch payload_ran\x85R."
CHECKPOINTS = [  # the bytes of net.pth, words of the message
    ("runs code", lambda: saved({"fc.weight": Payload()}), "net.pth|posix.system|nothing of it was run"),
    ("runs code, old format", lambda: saved({"a": Payload()}, _use_new_zipfile_serialization=False), "net.pth|posix.system"),
    ("runs code, evals", lambda: saved({"a": torch.zeros(2), "b": Indirect()}), "net.pth|eval|nothing of it was run"),
    ("runs code, plain pickle", lambda: pickle.dumps({"a": Payload()}, 2), "net.pth"),
    ("runs code, by hand", lambda: BACK, "net.pth"),
    ("runs code, protocol 5", lambda: pickle.dumps({"a": Payload()}, 5), "net.pth"),
    ("holds a module", lambda: saved(torch.nn.Linear(2, 2)), "net.pth|Linear|nothing of it was run"),
    ("empty", lambda: b"", "net.pth|empty"),
    ("a text", lambda: b"hello", "net.pth"),
    ("a web page", lambda: b"<!DOCTYPE html><html>Quota exceeded</html>", "net.pth"),
    ("a zip", lambda: b"PK\x03\x04junk", "net.pth"),
    ("truncated", lambda: saved(STATE)[:3000], "net.pth"),
    ("flipped", lambda: flipped(saved(STATE)), "net.pth|damaged"),
    ("a list", lambda: saved([torch.zeros(2)]), "net.pth holds a list"),
    ("nothing", lambda: saved(None), "net.pth holds a NoneType"),
    ("a tensor", lambda: saved(torch.zeros(3)), "net.pth holds a Tensor"),
    ("nested", lambda: saved({"state_dict": STATE, "epoch": 3}), "net.pth holds a dict|state dict"),
    ("numbered keys", lambda: saved({1: torch.zeros(2)}), "net.pth holds a dict|state dict"),
    ("wrong keys", lambda: saved(STATE), "net.pth is not smis/deepfashion/E|unexpected: fc.weight [4, 1000]"),
    ("no keys", lambda: saved({}), "net.pth is not smis/deepfashion/E"),
    ("safetensors", lambda: safetensors.torch.save(STATE), "net.pth"),
]


@pytest.mark.parametrize(("name", "body", "words"), CHECKPOINTS, ids=ids(CHECKPOINTS))
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_bad_checkpoint_is_refused_and_runs_nothing(work, monkeypatch, name, body, words):
    (work / "net.pth").write_bytes(body())
    one = "smis/deepfashion"  # else it compares with all of them, which takes seconds
    monkeypatch.setattr(convert, "OFFICIAL", {one: convert.OFFICIAL[one]})
    said = refused("convert net.pth smis/deepfashion/E", words)
    assert not (work / "payload_ran").exists()
    assert "weights_only" not in said and "trust" not in said  # torch's advice is to run the code
    if "keys" not in name:  # of the networks, again seconds
        (work / "folder").mkdir()
        (work / "net.pth").rename(work / "folder/latest_net_E.pth")
        refused("convert folder smis/deepfashion", words.replace("net.pth", "latest_net_E.pth"))
    assert not (work / "payload_ran").exists()


def test_the_payload_does_run_where_it_is_let(work):
    (work / "net.pth").write_bytes(saved({"a": Indirect()}))
    torch.load(work / "net.pth", weights_only=False)
    assert (work / "payload_ran").exists()


@given(place, st.integers(1, 255))
@fuzz
def test_a_changed_byte_of_a_checkpoint_is_refused_or_changes_nothing(work, at, bits):
    whole = saved(STATE)
    at %= len(whole)
    (work / "net.pth").write_bytes(whole[:at] + bytes([whole[at] ^ bits]) + whole[at + 1 :])
    with contextlib.suppress(SmisError):
        found = convert._read(work / "net.pth")
        assert all(torch.equal(value, STATE.get(key, value)) for key, value in found.items())


CONVERT = [
    ("convert folder smis/deepfashion", "folder has no file *_net_G.pth"),
    ("convert folder smis/deepfashion/E", "unknown set of official networks 'smis/deepfashion/E'"),
    ("convert net.pth smis/deepfashion", "unknown official network 'smis/deepfashion'"),
    ("convert net.pth smis/deepfashion/X", "unknown official network 'smis/deepfashion/X'"),
    ("convert net.pth pix2pix/facades/G", "unknown official network"),
    ("convert net.pth smis/deepfashion/E --out net.pth", "net.pth|--out|.safetensors"),
    ("convert net.pth smis/deepfashion/E --out folder", "folder|--out|.safetensors"),
    ("convert net.pth smis/deepfashion/E --out net.pt", "net.pt|--out|.safetensors"),
    ("convert . smis/deepfashion", "has no file"),
]


@pytest.mark.parametrize(("line", "words"), CONVERT, ids=ids(CONVERT))
def test_a_conversion_of_the_wrong_thing_is_refused(work, line, words):
    (work / "net.pth").write_bytes(saved(STATE))
    (work / "folder").mkdir()
    refused(line, words)


@pytest.fixture(scope="module")
def made(tmp_path_factory, rendered):
    """Weights of a small model, and a recipe of one of its pictures: (bytes, dict)."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "runs").mkdir()
    (folder / "runs/.cache").symlink_to(rendered, target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMIS_HOME", str(folder))
        sizes = {"data.n_train": "8", "data.n_test": "6", "evaluation.n_fid": "6"}
        experiment = presets.experiment("groupdnet", "mannequins", "smoke", assignments=sizes)
        runs.save(folder / "w.safetensors", runs.build(experiment), experiment)
        recipe = studio.Studio(runs.load(folder / "w.safetensors")).recipe("test/1")
    return (folder / "w.safetensors").read_bytes(), json.loads(recipe.text)


def described(body: bytes) -> tuple[dict, dict]:
    """(tensors, metadata) of a safetensors file."""
    length = int.from_bytes(body[:8], "little")
    return safetensors.torch.load(body), json.loads(body[8 : 8 + length])["__metadata__"]


def with_metadata(change) -> object:
    def changed(body: bytes) -> bytes:
        tensors, metadata = described(body)
        return safetensors.torch.save(tensors, without(change(metadata), "checksum"))  # with it, every edit is damage

    return changed


def in_experiment(**parts):
    """With other values in the description of the experiment: network={"C": 9}; None takes a part out."""

    def change(metadata: dict) -> dict:
        e = json.loads(metadata["experiment"])
        for key, value in parts.items():
            if isinstance(value, dict):
                e[key] |= value
            elif value is None:
                del e[key]
            else:
                e[key] = value
        return metadata | {"experiment": json.dumps(e)}

    return with_metadata(change)


def with_tensors(change):
    def changed(body: bytes) -> bytes:
        tensors, metadata = described(body)
        return safetensors.torch.save(change(tensors), without(metadata, "checksum"))

    return changed


def without(mapping: dict, key: str) -> dict:
    return {k: v for k, v in mapping.items() if k != key}


WEIGHTS = [  # what is done to the bytes of w.safetensors, words of the message
    ("empty", lambda b: b"", "not a complete safetensors file"),
    ("text", lambda b: b"<html>404</html>", "not a complete safetensors file"),
    ("half", lambda b: b[: len(b) // 2], "not a complete safetensors file"),
    ("a byte too few", lambda b: b[:-1], "not a complete safetensors file"),
    ("a byte too many", lambda b: b + b"x", "not a complete safetensors file"),
    ("a long header", lambda b: (2**60).to_bytes(8, "little") + b[8:], "not a complete safetensors file"),
    ("a flipped bit", lambda b: flipped(b, 0.9), "damaged"),
    (
        "an edit of its description",
        lambda b: safetensors.torch.save(described(b)[0], described(b)[1] | {"players": "G"}),
        "damaged",
    ),
    ("a flipped bit of the header", lambda b: flipped(b, 0.001), ""),
    ("a pickle", lambda b: saved({"a": Payload()}), "not a complete safetensors file"),
    ("no metadata", lambda b: safetensors.torch.save(described(b)[0]), "has format None"),
    ("another format", with_metadata(lambda m: m | {"format": "pt"}), "has format 'pt'"),
    ("a newer format", with_metadata(lambda m: m | {"format": "smislib-2"}), "has format 'smislib-2'|newer"),
    ("no experiment", with_metadata(lambda m: without(m, "experiment")), "does not describe its networks"),
    ("an experiment that is no JSON", with_metadata(lambda m: m | {"experiment": "{"}), "does not describe its networks"),
    ("an experiment that is a list", with_metadata(lambda m: m | {"experiment": "[]"}), "does not describe its networks"),
    ("another model", in_experiment(model="groupdnt"), "unknown model 'groupdnt'"),
    ("no network", in_experiment(network=None), "does not describe its networks|network"),
    ("a network of another model", in_experiment(model="oasis"), "does not describe its networks"),
    ("a key of a newer version", in_experiment(train={"warmup": 3}), "unknown TrainSpec key 'warmup'"),
    ("a value of another type", in_experiment(network={"C": "8"}), "Schedule.C must be int"),
    ("another width", in_experiment(network={"height": 64, "width": 64}), ""),
    ("another number of classes", in_experiment(network={"C": 9}), ""),
    ("a huge network", in_experiment(network={"channels": [10**9] * 4}), ""),
    ("a negative network", in_experiment(network={"channels": [-16] * 4}), ""),
    ("another tensor", with_tensors(lambda t: t | {"G.extra": torch.zeros(2)}), "does not fit the networks"),
    ("a tensor too few", with_tensors(lambda t: without(t, min(t))), "does not fit the networks"),
    ("a tensor of another shape", with_tensors(lambda t: t | {min(t): t[min(t)][None]}), "does not fit the networks"),
    ("no tensors", with_tensors(lambda t: {}), "does not fit the networks"),
]


@pytest.mark.parametrize(("name", "change", "words"), WEIGHTS, ids=ids(WEIGHTS))
def test_a_bad_weights_file_is_refused(work, made, name, change, words):
    (work / "w.safetensors").write_bytes(change(made[0]))
    (work / "r.json").write_text(json.dumps(made[1]))
    refused("render r.json --model w.safetensors", f"w.safetensors|{words}")
    assert not (work / "payload_ran").exists()


@given(st.integers(0, 10**7), st.integers(0, 7))
@settings(fuzz, max_examples=15)
def test_a_changed_bit_of_a_weights_file_is_refused(work, made, at, bit):
    body = bytearray(made[0])
    body[at % len(body)] ^= 1 << bit
    (work / "w.safetensors").write_bytes(body)
    with contextlib.suppress(SmisError):
        found, expected = runs.load(work / "w.safetensors"), described(made[0])[0]
        assert all(torch.equal(value, expected[key]) for key, value in found.state_dict().items())


# --- recipes ----------------------------------------------------------------------------------------------------------


def part(**changes):
    def change(recipe: dict) -> dict:
        first, *rest = recipe["parts"]
        return recipe | {"parts": [{**first, **changes}, *rest]}

    return change


def picture_text(image: Image.Image) -> str:
    return base64.b64encode(encoded(image, "png")).decode()


OTHER16 = Image.fromarray(classes_of(0).astype(np.uint16) + 41)
MAP16 = Image.fromarray(classes_of(0).astype(np.uint16) + 1)
RECIPES = [  # what is done to a recipe, words of the message
    ("a list", lambda r: [r], "not a recipe"),
    ("a number", lambda r: 3, "not a recipe"),
    ("no parts", lambda r: without(r, "parts"), "0 parts, this model 8"),
    ("no model", lambda r: without(r, "model"), "not a recipe|model"),
    ("no label map", lambda r: without(r, "label_map"), "not a recipe|label_map"),
    ("another key", lambda r: r | {"colour": 1}, "not a recipe|colour"),
    ("a model that is a number", lambda r: r | {"model": 3}, "not a recipe|model"),
    ("parts that are a number", lambda r: r | {"parts": 3}, "not a recipe"),
    ("parts of text", lambda r: r | {"parts": ["a"]}, "not a recipe"),
    ("a part too few", lambda r: r | {"parts": r["parts"][1:]}, "7 parts, this model 8"),
    ("t is a text", part(t="half"), "not a recipe|t|'half'"),
    ("t is not finite", part(t=float("nan")), "not a recipe|t"),
    ("t is nothing", part(t=None), "not a recipe|t"),
    ("a source of nothing", part(a={"seed": None, "picture": None}, t=0.5), "not a recipe|seed"),
    ("a source of both", part(a={"seed": 1, "picture": "test/0"}, t=0.5), "not a recipe|seed"),
    ("a source of another key", part(a={"sed": 1}), "not a recipe|sed"),
    ("a seed that is a text", part(a={"seed": "x", "picture": None}), "not a recipe|seed|'x'"),
    ("a picture that there is not", part(a={"seed": None, "picture": "test/999"}), "no picture 'test/999'"),
    ("a picture of another split", part(a={"seed": None, "picture": "train/0"}), "no picture 'train/0'"),
    ("a picture that is a path", part(a={"seed": None, "picture": "../../etc/passwd"}), "no picture '../../etc/passwd'"),
    ("weights of another model", lambda r: r | {"weights": "0" * 16}, "is of networks 0000000000000000"),
    ("a label map that is no base64", lambda r: r | {"label_map": "§§"}, "not a recipe|label_map"),
    ("a label map that is empty", lambda r: r | {"label_map": ""}, "not a recipe|label_map"),
    ("a label map that is no picture", lambda r: r | {"label_map": "aGVsbG8="}, "not a recipe|label_map"),
    ("a label map cut short", lambda r: r | {"label_map": r["label_map"][:80]}, "not a recipe|label_map"),
    ("a label map in colour", lambda r: r | {"label_map": picture_text(RGB)}, "not a recipe|label_map"),
    ("a label map of another size", lambda r: r | {"label_map": picture_text(MAP16.resize((16, 16), 0))}, "16x16|32x32"),
    ("a label map of other classes", lambda r: r | {"label_map": picture_text(OTHER16)}, "class|[0, 8)"),
    ("a bomb", lambda r: r | {"label_map": bomb_text()}, "not a recipe|label_map"),
    ("truncation of a text", lambda r: r | {"truncation": "a"}, "not a recipe|truncation"),
    ("truncation of nothing", lambda r: r | {"truncation": -1.0}, "truncation"),
    ("spots of text", lambda r: r | {"spots": ["a"]}, "not a recipe|Spot"),
    ("pictures of text", lambda r: r | {"pictures": ["abc"]}, "not a recipe|pictures"),
    ("pictures of another size", lambda r: r | {"pictures": [["mine", picture_text(Image.new("RGB", (8, 8))), r["label_map"]]]},
     "mine"),
    ("an instance map where there is none", lambda r: r | {"instance_map": "x"}, "not a recipe|instance_map"),
]  # fmt: skip


def bomb_text() -> str:
    return base64.b64encode(raw_png(8, 0, b"", (40_000, 40_000))).decode()


@pytest.mark.parametrize(("name", "change", "words"), RECIPES, ids=ids(RECIPES))
def test_a_bad_recipe_is_refused(work, made, name, change, words):
    (work / "w.safetensors").write_bytes(made[0])
    (work / "r.json").write_text(json.dumps(change(made[1])))
    refused("render r.json --model w.safetensors", words)


NO_RECIPES = [
    ("empty", b"", "r.json is not a recipe"),
    ("no JSON", b"{", "r.json is not a recipe"),
    ("binary", b"\xff\xfe\x00", "r.json is not a recipe"),
    ("deep", b"[" * 100_000, "r.json is not a recipe"),
    ("a picture", encoded(RGB, "png"), "r.json is not a recipe"),
]


@pytest.mark.parametrize(("name", "body", "words"), NO_RECIPES, ids=ids(NO_RECIPES))
def test_what_is_no_recipe_is_refused(work, name, body, words):
    (work / "r.json").write_bytes(body)
    refused("render r.json", words)


def test_a_recipe_is_rendered_to_a_png_alone(work, made):
    (work / "w.safetensors").write_bytes(made[0])
    (work / "r.json").write_text(json.dumps(made[1]))
    refused("render r.json", "is empty")  # the run that it names is not here
    refused("render r.json --model w.safetensors --out picture.jpg", "picture.jpg|.png")
    refused("render r.json --model w.safetensors --out r.json", "r.json|.png")
    (work / "folder.png").mkdir()
    refused("render r.json --model w.safetensors --out folder.png", "folder.png")
    refused("render r.json --model w.safetensors --out w.safetensors/a.png", "w.safetensors/a.png")
    refused("render . --model w.safetensors", ". is not a recipe")
    status, _, err = call("render", "r.json", "--model", "w.safetensors")
    assert (status, err) == (0, "") and Image.open("picture.png").size == (32, 32)


@given(
    st.sampled_from(["model", "weights", "label_map", "parts", "truncation", "instance_map", "pictures", "spots", "input"]),
    json_values,
)
@settings(fuzz, max_examples=60)
def test_any_value_in_a_recipe_is_drawn_or_refused(work, made, key, value):
    (work / "w.safetensors").write_bytes(made[0])
    (work / "r.json").write_text(json.dumps(made[1] | {key: value}))
    with contextlib.suppress(SmisError):
        studio.render("r.json", "w.safetensors")


# --- the store --------------------------------------------------------------------------------------------------------


def a_run(made: tuple, finished: bool = True) -> runs.Run:
    e = runs._experiment(described(made[0])[1]["experiment"])
    run = runs.open_run(e)
    if finished:
        run.weights.write_bytes(made[0])
    return run


RECORD = {"metric": "FID[embedded]", "value": 1.0, "protocol": {}, "model": "groupdnet", "data": "mannequins", "preset": "smoke",
          "seed": 0, "experiment": "a", "weights": "b", "versions": {}}  # fmt: skip
STORE = [  # file of the run, its text, a command line, words
    ("config.json", b"", "list", "config.json is not an experiment"),
    ("config.json", b"{", "list", "config.json is not an experiment"),
    ("config.json", b"[]", "list", "config.json is not an experiment"),
    ("config.json", b"3", "show mannequins", "config.json is not an experiment"),
    ("config.json", b"\xff\xfe", "list", "config.json is not an experiment"),
    ("config.json", b'{"model": "x", "network": {}, "loss": {}}', "eval mannequins", "unknown model 'x'"),
    ("config.json", b'{"model": ["x"]}', "list", "config.json is not an experiment"),
    ("config.json", b'{"model": "groupdnet", "network": 3, "loss": {}}', "list", "config.json is not an experiment"),
    ("config.json", b"[" * 100_000, "list", "config.json is not an experiment"),
    ("records/a.json", b"", "show mannequins", "records/a.json is not a file of records"),
    ("records/a.json", b"{}{", "show mannequins", "records/a.json is not a file of records"),
    ("records/a.json", b"3", "show mannequins", "records/a.json is not a file of records"),
    ("records/a.json", b"\xff\xfe", "show mannequins", "records/a.json is not a file of records"),
    ("records/a.json", b'["FID"]', "show mannequins", "records/a.json is not a file of records"),
    ("records/a.json", b'{"metric": 3}', "show mannequins", "records/a.json is not a file of records"),
    ("records/a.json", json.dumps([RECORD | {"value": "low"}]).encode(), "show mannequins", "Record.value must be float"),
    ("records/a.json", json.dumps([RECORD | {"interval": [1.0]}]).encode(), "show mannequins", "Record.interval"),
    ("records/a.json", json.dumps([RECORD | {"protocol": []}]).encode(), "show mannequins", "Record.protocol must be dict"),
    ("weights.safetensors", b"", "eval mannequins", "weights.safetensors is not a complete safetensors file"),
    ("weights.safetensors", b"", "ship mannequins", "not measured"),
    ("log.jsonl", b'3\n"x"\n[]\n', "eval mannequins --device abacus", "device 'abacus'"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "body", "line", "words"), STORE, ids=ids(STORE))
def test_a_damaged_store_is_named_by_its_file(work, made, file, body, line, words):
    run = a_run(made)
    (run.folder / ".lock").touch()
    (run.folder / file).write_bytes(body)
    refused(line, words)


@pytest.mark.parametrize("log", [b'3\n"x"\n[]\n{"step": "a"}\n', b"\xff\xfe\n", b"{}\n", b'{"step": 2}\n'])
def test_lines_of_a_log_that_say_nothing_are_no_part_of_it(work, made, log):
    run = a_run(made)
    run.log.write_bytes(log + b'{"step": 1, "seconds": 2.0}\n')
    assert call("list")[0] == 0
    status, out, _ = call("show", "mannequins")
    assert status == 0 and "step 1 of" in out


def test_no_name_is_no_run(work, made):
    a_run(made)
    refused(["show", ""], "run|''")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda: b"", "checkpoint.pt"),
        (lambda: saved({"step": 1})[:-20], "checkpoint.pt"),
        (lambda: saved({"a": Payload()}), "checkpoint.pt"),
        (lambda: saved({"step": 1}), "checkpoint.pt"),
        (lambda: saved([1]), "checkpoint.pt"),
        (lambda: saved({"step": 1, "seconds": 1.0, "networks": {"a": torch.zeros(2)}}), "checkpoint.pt"),
    ],
)
def test_a_bad_checkpoint_of_a_run_is_named(work, made, body, words):
    run = a_run(made, finished=False)
    (run.folder / ".lock").touch()
    (run.folder / "checkpoint.pt").write_bytes(body())
    arguments = ["train", "groupdnet", "--preset", "smoke", "--no-progress", "--set", "data.n_train=8", "--set", "data.n_test=6"]
    refused([*arguments, "--accelerator", "cpu"], words)
    assert not (work / "payload_ran").exists()


TABLES = [
    ("empty", b"", "table.csv is not a table with its caption"),
    ("no caption", b"model,FID\nA,1\n", "table.csv is not a table with its caption"),
    ("a row too short", b"# caption\nmodel,FID\nA\n", "table.csv is not a table with its caption"),
    ("binary", b"# caption\n\xff\xfe", "table.csv"),
    ("another row", b"# caption\nmodel,FID\nA,1\n", "unknown row of table.csv 'GroupDNet'"),
    ("another column", b"# caption\nmodel,IS\nGroupDNet,1\n", "FID"),
]


@pytest.mark.parametrize(("name", "body", "words"), TABLES, ids=ids(TABLES))
def test_a_table_that_was_edited_is_named(work, name, body, words):
    (work / "table.csv").write_bytes(body)
    refused("why table.csv GroupDNet FID --preset smoke", words)


# --- published values -------------------------------------------------------------------------------------------------

TABLE = {"columns": ["a", "b"], "rows": {"x": [1.0, None]}, "source": "s", "confidence": "c"}
PUBLISHED = [
    ("empty", b"", "published.json"),
    ("no JSON", b"{", "published.json"),
    ("binary", b"\xff", "published.json"),
    ("a list", b"[]", "published.json"),
    ("no paper", b"{}", "unknown paper"),
    ("no table", json.dumps({"P": {"table_2": TABLE}}).encode(), "'table_1'|'table_2'"),
    ("a table that is a list", json.dumps({"P": {"table_1": []}}).encode(), "table_1"),
    ("no rows", json.dumps({"P": {"table_1": without(TABLE, "rows")}}).encode(), "table_1|rows"),
    ("no columns", json.dumps({"P": {"table_1": without(TABLE, "columns")}}).encode(), "table_1|columns"),
    ("no source", json.dumps({"P": {"table_1": without(TABLE, "confidence")}}).encode(), "table_1|confidence"),
    (
        "a row too short",
        json.dumps({"P": {"table_1": TABLE | {"rows": {"x": [1.0]}}}}).encode(),
        "table_1|'x'|1 values|2 columns",
    ),
    ("a row that is a number", json.dumps({"P": {"table_1": TABLE | {"rows": {"x": 3}}}}).encode(), "table_1|'x'"),
]


@pytest.mark.parametrize(("name", "body", "words"), PUBLISHED, ids=ids(PUBLISHED))
def test_an_edit_of_the_published_values_that_does_not_hold_is_named(work, monkeypatch, name, body, words):
    (work / "published.json").write_bytes(body)
    monkeypatch.setattr(paths, "PUBLISHED", work / "published.json")
    with pytest.raises(SmisError) as caught:
        results.published("P", "table_1")
    assert all(word in str(caught.value) for word in words.split("|")), caught.value


def test_the_published_values_hold():
    tables = json.loads(paths.PUBLISHED.read_text())
    checked = [results.published(paper, name) for paper in tables for name, t in tables[paper].items() if "rows" in t]
    assert len(checked) > 5


# --- studies ----------------------------------------------------------------------------------------------------------


def answers(*lines: str, header: str = "rater,trial,answer") -> bytes:
    return "\n".join([header, *lines]).encode()


ANSWERS = [  # the bytes of a.csv, words of the message
    ("empty", b"", "a.csv lacks answer, rater, trial"),
    ("a header alone", answers(), "a.csv has no answers"),
    ("semicolons", answers("r01;1;y", header="rater;trial;answer"), "a.csv lacks answer, rater, trial"),
    ("binary", b"\xff\xfe\x00\x01", "a.csv"),
    ("UTF-16", "rater,trial,answer\nr01,1,y".encode("utf-16"), "a.csv"),
    ("a zero byte", answers("r01,1,y\0"), "a.csv"),
    ("an XLSX", b"PK\x03\x04" + bytes(range(256)), "a.csv"),
    ("a word", answers("r01,1,maybe"), "a.csv, line 2: answer 'maybe'"),
    ("no answer", answers("r01,1,"), "a.csv, line 2: answer ''"),
    ("two cells", answers("r01,1"), "a.csv, line 2"),
    ("no rater", answers("1,y", header="trial,answer,rater"), "a.csv"),
    ("an empty rater", answers(",1,y"), "a.csv: a rater's name"),
    ("too many cells", answers("r01,1,y,3,4,5"), "a.csv, line 2|6"),
    ("a rater that is a path", answers("../../r01,1,y"), "rater's name|'../../r01'"),
    ("a name with spaces", answers("Jane Doe,1,y"), "rater's name|'Jane Doe'"),
    ("trial 0", answers("r01,0,y"), "trial"),
    ("trial -1", answers("r01,-1,y"), "trial"),
    ("trial 1.5", answers("r01,1.5,y"), "a.csv, line 2|numbers"),
    ("trial 51", answers(*(f"r01,{t},y" for t in (*range(1, 50), 51))), "must answer trials 1 to 50"),
    ("a trial twice", answers("r01,1,y", "r01,1,n"), "a.csv, line 3: a second answer"),
    ("session 9", answers("r01,1,y,9", header="rater,trial,answer,session"), "has sessions 1 to 2|9"),
    ("session 0", answers("r01,1,y,0", header="rater,trial,answer,session"), "0"),
    ("session -1", answers("r01,1,y,-1", header="rater,trial,answer,session"), "sessions 1 to 2|-1"),
    ("seconds of text", answers("r01,1,y,soon", header="rater,trial,answer,seconds"), "a.csv, line 2|numbers"),
    ("seconds below 0", answers("r01,1,y,-3", header="rater,trial,answer,seconds"), "line 2|seconds|-3"),
    ("seconds nan", answers("r01,1,y,nan", header="rater,trial,answer,seconds"), "line 2|seconds|nan"),
    ("a huge cell", answers("r01,1," + "y" * 200_000), "a.csv"),
    ("one rater complete", answers(*(f"r01,{t},y" for t in range(1, 51)), "r02,1,y"), "rater 'r02'|must answer trials"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "words"), ANSWERS, ids=ids(ANSWERS))
def test_bad_answers_are_refused_whole(work, name, body, words):
    a_study()
    (work / "a.csv").write_bytes(body)
    refused("study import control a.csv", words)


@given(st.lists(st.lists(st.text(max_size=3), max_size=5).map(",".join), max_size=4))
@fuzz
def test_any_table_of_answers_is_read_or_refused(work, lines):
    if not (work.parent / "home/studies").exists():
        a_study()
    (work / "a.csv").write_text("\n".join(["rater,trial,answer", *lines]))
    assert call("study", "import", "control", "a.csv")[0] == 2


STUDIES = [
    ("study import control nowhere.csv", "no file nowhere.csv"),
    ("study import control .", "."),
    ("study import contrl a.csv", "unknown study 'contrl'|'control'"),
    ("study trials control r/1", "rater's name|'r/1'"),
    ("study trials control r01 --session 3", "sessions 1 to 2|3"),
    ("study trials control r01 --session 0", "sessions 1 to 2|0"),
    ("study score contrl", "unknown study 'contrl'"),
    ("study score ../studies/control", "unknown study '../studies/control'"),
]


@pytest.mark.parametrize(("line", "words"), STUDIES, ids=ids(STUDIES))
def test_a_bad_command_on_a_study_is_refused(work, line, words):
    a_study()
    refused(line, words)


FILES = [
    ("study.json", b"{", "study.json is not a study"),
    ("study.json", b"\xff", "study.json is not a study"),
    ("study.json", b"[]", "study.json is not a study"),
    ("study.json", b'{"name": "control"}', "study.json is not a study"),
    ("r01.1.jsonl", b"", "r01.1.jsonl is not a session"),
    ("r01.1.jsonl", b"{}\n{}\n", "r01.1.jsonl is not a session"),
    ("r01.1.jsonl", b"\xff", "r01.1.jsonl is not a session"),
    ("r01.x.jsonl", b"", "r01.x.jsonl is no session"),
    ("r01.9.jsonl", b"{}", "has sessions 1 to 2"),
]


@pytest.mark.parametrize(("file", "body", "words"), FILES, ids=ids(FILES))
def test_a_damaged_study_is_named_by_its_file(work, file, body, words):
    made = a_study()
    (made.folder / file).write_bytes(body)
    refused("study score control", words)


# --- uploads ----------------------------------------------------------------------------------------------------------

CLASSES = data.Classes(("sky", "tree", "lake", "road"), ((10, 20, 30), (200, 100, 0), (0, 0, 255), (9, 9, 9)), 255)
UPLOADS = [  # what is uploaded as a label map, words of the message
    ("no class", encoded(Image.fromarray(odd(7)), "png"), "7 (1 pixels)"),
    ("255", encoded(Image.fromarray((classes_of(0) > 1).astype(np.uint8) * 254), "png"), "254"),
    ("a wrong palette", encoded(RGB, "png"), "not in the palette"),
    ("16 bits", encoded(Image.fromarray(odd(40_000)), "png"), "40000 (1 pixels)"),
    ("another size", encoded(LABEL.crop((0, 0, 31, 32)), "png"), "31x32"),
    ("of one multiple", encoded(LABEL.resize((64, 32)), "png"), "64x32"),
    ("smaller", encoded(LABEL.resize((16, 16)), "png"), "16x16"),
    ("JPEG", encoded(LABEL, "jpeg"), "JPEG"),
    ("GIF", animated("gif"), "GIF"),
    ("TIFF", encoded(Image.fromarray(classes_of(0).astype(np.float32)), "tiff"), "TIFF"),
    ("APNG", animated("png"), "3 frames"),
    ("text", b"hello", "not a picture"),
    ("nothing", b"", "not a picture"),
    ("50 MB", bytes(50 * 2**20), "50.0 MB"),
    ("a bomb", raw_png(1, 0, b"", (30_000, 30_000)), "pixels"),
    ("cut short", encoded(RGB, "png")[:-50], "cut short"),
    ("transparent", encoded(Image.new("RGBA", (32, 32), (10, 20, 30, 9)), "png"), "transparent"),
    ("on its side", encoded(LABEL, "png", exif=turned(6)), "orientation 6"),
]


@pytest.mark.parametrize(("name", "body", "words"), UPLOADS, ids=ids(UPLOADS))
def test_a_bad_upload_is_one_sentence(name, body, words):
    with pytest.raises(SmisError) as caught:
        upload.label_map(body, "map.png", CLASSES, (SIZE, SIZE))
    assert all(word in str(caught.value) for word in ["map.png", *words.split("|")]), caught.value
    assert "\n" not in str(caught.value)


PHOTOS = [
    ("smaller", encoded(RGB.resize((16, 16)), "png"), "16x16"),
    ("of other proportions", encoded(RGB.resize((64, 32)), "png"), "64x32"),
    ("GIF", animated("gif"), "GIF"),
    ("APNG", animated("png"), "3 frames"),
    ("16 bits", encoded(Image.fromarray(classes_of(0).astype(np.uint16) * 9000), "png"), "8 bits"),
    ("transparent", encoded(Image.new("RGBA", (32, 32), (9, 9, 9, 9)), "png"), "transparent"),
    ("nothing", b"", "not a picture"),
    ("50 MB", bytes(50 * 2**20), "50.0 MB"),
    ("cut short", encoded(RGB.resize((256, 256)), "jpeg")[:-300], "cut short"),
]


@pytest.mark.parametrize(("name", "body", "words"), PHOTOS, ids=ids(PHOTOS))
def test_a_bad_photo_is_one_sentence(name, body, words):
    with pytest.raises(SmisError) as caught:
        upload.photo(body, "me.png", (SIZE, SIZE))
    assert all(word in str(caught.value) for word in ["me.png", *words.split("|")]), caught.value


@pytest.mark.parametrize("depth", [2, 4])
def test_an_upload_of_few_bits_is_read_by_number(depth):
    body = raw_png(depth, 0, packed(classes_of(0), depth))
    assert np.array_equal(upload.label_map(body, "map.png", CLASSES, (SIZE, SIZE))[0], classes_of(0))


@given(place, st.integers(0, 255), st.sampled_from(["png", "jpeg", "gif"]))
@settings(fuzz, max_examples=80)
def test_a_damaged_upload_is_read_or_refused(at, value, form):
    whole = encoded(RGB, form)
    body = whole[: at % len(whole)] + bytes([value]) + whole[at % len(whole) + 1 :]
    for read in (upload.photo, lambda body, name, size: upload.label_map(body, name, CLASSES, size)):
        with contextlib.suppress(SmisError):
            read(body, "map.png", (SIZE, SIZE))


# --- the app ----------------------------------------------------------------------------------------------------------


def test_the_app_answers_this_machine_alone_to_whoever_has_its_token_and_shows_no_file(work):
    config = app.settings(8866, work / "page.ipynb", "5ecret")
    assert config.Voila.ip == "127.0.0.1" and config.Voila.token == "5ecret" and config.Voila.root_dir == str(work)
    assert config.Voila.tornado_settings["allow_remote_access"] is False
    assert (config.VoilaConfiguration.file_allowlist, config.VoilaConfiguration.file_denylist) == ([], [".*"])
