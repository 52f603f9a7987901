"""Determinism: what two fresh stores, two numbers of threads and two versions of torch give for the same `smoke` experiments.

determinism.json holds the values of the locked torch (`python tests/test_determinism.py` writes it anew). TOLERANCE was measured
before it was stated, see DIFFERENCES.md: sums in another order differ in their last bits, and each step makes more of that.
"""

import hashlib
import json
import multiprocessing
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from smislib import class_view, config, data, label_sources, paths, presets
from smislib.data.classed import keep_labels
from smislib.evaluate import evaluate
from smislib.train import train

REFERENCE = Path(__file__).with_name("determinism.json")
MODELS = {"groupdnet": "mannequins", "s3gan_20": "tokens"}  # label maps; a class for each image, most of them inferred
CLOCKED = ("FPS", "s/step")  # metrics that are times
FIRST = {"rel": 1e-4, "abs": 1e-4}  # of a loss of the first step
TOLERANCE = {
    "losses": {"rel": 0.02, "abs": 0.02},  # of all six steps
    "records": {"rel": 0.1},
    "weights": {"rel": 0.02},  # norm of the difference; of a committed value, of the norm itself
}


def label_derived() -> dict[str, str]:
    """A digest of everything that is computed from labels alone: whole numbers, so the same everywhere."""
    made = {}
    for name in ("mannequins", "streets", "rooms"):
        spec = presets.data_spec(name, "smoke")
        split, classes = data.open_split(spec, "test"), data.classes(spec)
        batch = data.labelled([split[i] for i in range(8)], classes)
        made |= {f"{name}: label map": batch["label_map"], f"{name}: labels": batch["labels"]}
        made |= {f"{name}: colours": data.colour(batch["label_map"], classes)}
        made |= {f"{name}: crops": class_view.crop_by_class(batch["image"], batch["labels"])[1]}
    spec = presets.data_spec("tokens", "smoke")
    labels, names = data.open_split(spec, "train").labels, data.classes(spec).names
    partial = label_sources.Partial(labels, keep_labels(labels, 0.2, 0, names), len(names), 0)
    made |= {f"tokens: {key} labels": label_sources.SOURCES[key](partial, lambda: ()) for key in ("true", "random", "single")}
    return {key: hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()[:16] for key, value in made.items()}


def smoke(home: Path, threads: int = 1) -> None:
    """Train and measure MODELS at `smoke` in the store `home`; its outcome.pt holds what came out, without the times."""
    os.environ["SMIS_HOME"] = str(home)
    found = {"label-derived": label_derived()}
    for model, name in MODELS.items():
        experiment = presets.experiment(model, name, "smoke", assignments={"train.threads": str(threads)})
        run = train(experiment, accelerator="cpu", progress=False)
        records = [config.to_dict(r) for r in evaluate(run, device="cpu", progress=False) if r.metric not in CLOCKED]
        found[model] = {
            "log": [{k: v for k, v in entry.items() if "seconds" not in k} for entry in run.history()],
            "records": [{k: v for k, v in r.items() if k not in ("date", "seconds", "weights")} for r in records],
            "weights": safetensors.torch.load_file(run.weights),
        }
    (inferred,) = (paths.cache() / "labels").glob("*.npz")  # by s3gan_20's labeller
    found["inferred"] = torch.from_numpy(np.load(inferred)["y"])
    torch.save(found, home / "outcome.pt")


def summary(found: dict) -> dict:
    """What is committed of an outcome."""
    short = {"label-derived": found["label-derived"]}
    for model in MODELS:
        of = found[model]
        norms = {part: norm({k: v for k, v in of["weights"].items() if k.startswith(part)}) for part in ("G.", "E.", "D.")}
        short[model] = {"log": of["log"], "records": values(of["records"]), "weights": norms}
    return short


def values(records: list[dict]) -> dict[str, float]:
    """Value by name; of metrics that have several, what tells them apart stands beside the name."""
    found = {}
    for r in records:
        name = " ".join(str(part) for part in (r["metric"], r["protocol"].get("reading"), r["protocol"].get("step")) if part)
        assert name not in found
        found[name] = r["value"]
    return found


def norm(weights: dict[str, torch.Tensor]) -> float:
    return sum(v.double().square().sum().item() for v in weights.values()) ** 0.5


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """`outcome("again", threads=2)`: what `smoke` gave in a process and an empty store of its own; a name is made once."""
    made = {}

    def of(name: str, threads: int = 1) -> dict:
        if name not in made:
            home = tmp_path_factory.mktemp("determinism")
            child = multiprocessing.get_context("spawn").Process(target=smoke, args=(home, threads))  # with hashes of its own
            child.start()
            child.join()
            assert child.exitcode == 0
            made[name] = torch.load(home / "outcome.pt")
        return made[name]

    return of


def close(found: list[dict], expected: list[dict]) -> None:
    """That two logs agree: the first step nearly, all of them within TOLERANCE."""
    assert len(found) == len(expected) == 6
    assert found[0] == pytest.approx(expected[0], **FIRST)
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, **TOLERANCE["losses"])


def test_two_fresh_stores_hold_the_same(outcome):
    """Records with their protocols, losses, weights, labels: all but times and the order in a weight file, bit for bit."""
    one, other = outcome("one"), outcome("other")
    for model in MODELS:
        assert one[model]["log"] == other[model]["log"]
        assert one[model]["records"] == other[model]["records"]
        weights = other[model]["weights"]
        assert one[model]["weights"].keys() == weights.keys()
        assert all(torch.equal(value, weights[key]) for key, value in one[model]["weights"].items())
    assert torch.equal(one["inferred"], other["inferred"])
    assert one["label-derived"] == other["label-derived"]


def test_two_threads_change_the_last_bits_alone(outcome):
    one, two = outcome("one"), outcome("two threads", threads=2)
    for model in MODELS:
        close(two[model]["log"], one[model]["log"])
        assert values(two[model]["records"]) == pytest.approx(values(one[model]["records"]), **TOLERANCE["records"])
        weights = one[model]["weights"]
        apart = norm({key: value - weights[key] for key, value in two[model]["weights"].items()})
        assert apart <= TOLERANCE["weights"]["rel"] * norm(weights)
    assert two["label-derived"] == one["label-derived"]


def test_any_torch_gives_the_committed_values(outcome):
    """On this machine, by this version of torch: the values of the locked one."""
    found, expected = summary(outcome("one")), json.loads(REFERENCE.read_text())
    assert found["label-derived"] == expected["label-derived"]
    for model in MODELS:
        close(found[model]["log"], expected[model]["log"])
        assert found[model]["records"] == pytest.approx(expected[model]["records"], **TOLERANCE["records"])
        assert found[model]["weights"] == pytest.approx(expected[model]["weights"], **TOLERANCE["weights"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        smoke(Path(folder))
        REFERENCE.write_text(json.dumps(summary(torch.load(Path(folder) / "outcome.pt")), indent=1) + "\n")
