"""What the recipes of CONTRIBUTING.md add to the library, used: test_contributing runs this in a copy of the tree."""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from smislib import data, notebooks, paths, presets, results
from smislib.claims import ledger
from smislib.data import formats
from smislib.data.check import check
from smislib.evaluate import evaluate
from smislib.train import train

SMALL = {"data.n_train": 8, "data.n_test": 4, "train.steps": 2, "evaluation.n_fid": 4, "evaluation.n_maps": 0}


def model_and_metric() -> dict:
    e = presets.experiment("groupdnet_masked", preset="smoke", assignments={k: str(v) for k, v in SMALL.items()})
    run = train(e, progress=False)
    train(presets.experiment("groupdnet_late", preset="smoke", assignments={k: str(v) for k, v in SMALL.items()}), progress=False)
    records = evaluate(run, progress=False)
    printed = results.published("SMIS_2003.12697", "table_3")
    table, _ = results.comparison(records, ["groupdnet_masked"], {"Chroma": None}, printed)
    return {
        "late groups": presets.experiment("groupdnet_late", preset="smoke").network.affine_groups,
        "steps": run.history()[-1]["step"],
        "class_view": e.network.class_view,
        "in table 3": "groupdnet_masked" in presets.table_3("demo"),
        "chroma": [r.value for r in records if r.metric == "Chroma"],
        "columns": [list(column) for column in table.columns],
        "cells": table.loc["w/ masks instead of crops"].tolist(),
    }


def loss_term() -> dict:
    plain, more = (
        presets.experiment("groupdnet", preset="smoke", assignments={k: str(v) for k, v in (SMALL | added).items()})
        for added in ({}, {"loss.l1": 5})
    )
    logged = [train(e, progress=False).history()[-1] for e in (plain, more)]
    return {"hash": plain.hash, "logged": ["g_l1" in entry for entry in logged], "l1": logged[1]["g_l1"]}


def data_set(root: Path) -> dict:
    label = np.repeat(np.arange(3, dtype=np.uint8), 12)[:36].reshape(6, 6).repeat(6, 0).repeat(6, 1)
    for split in ("train", "test"):
        for kind, picture in (("photos", np.stack([80 * label] * 3, -1)), ("parts", label)):
            (root / kind / split).mkdir(parents=True)
            Image.fromarray(picture).save(root / kind / split / "0.png")
    spec = presets.data_spec("faces", "smoke", str(root))
    e = presets.experiment("groupdnet", "faces", "smoke", root=str(root))
    return {
        "faults": len(check(spec).faults),
        "title": formats.format_of(spec).title,
        "labels": np.unique(data.open_split(spec, "test")[0]["label_map"]).tolist(),
        "C": e.network.C,
    }


def claim() -> dict:
    (new,) = [c for c in ledger.claims() if c.sentence == "VSPADE has a better FID than DSCGAN."]
    numbered = ledger.table([ledger.check(c, []) for c in ledger.claims() if c.paper == "smis"], "demo")
    finding = ledger.check(new, [r for r in results.committed() if (r.data, r.preset) == (new.data, "demo")], suffix="[embedded]")
    return {"verdict": finding.verdict, "found": finding.found, "last": numbered["claim"].iloc[-1]}


def notebook() -> dict:
    (source,) = notebooks.select(["19"])
    executed = json.loads(notebooks.execute(source, "smoke", store=True, progress=False).read_text())
    kept = json.loads(source.with_suffix(".ipynb").read_text())
    return {"printed": "".join(executed["cells"][-1]["outputs"][0]["text"]), "kept": [c["cell_type"] for c in kept["cells"]]}


if __name__ == "__main__":
    assert Path.cwd() == paths.CHECKOUT, "not the copy"
    made = {
        "model": model_and_metric(),
        "loss": loss_term(),
        "data": data_set(Path("faces")),
        "claim": claim(),
        "notebook": notebook(),
    }
    Path(sys.argv[1]).write_text(json.dumps(made))
