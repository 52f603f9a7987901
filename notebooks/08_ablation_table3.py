# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 · What each part of GroupDNet is for: Table 3
#
# **Question.** Take one thing away from GroupDNet: the split of the encoder's input, the form of its codes, batch norm,
# its synchronisation, spectral norm. What gets worse?
#
# | needs | |
# |---|---|
# | time | a minute when `make reproduce` has trained the six networks; else the time to train and measure them |
# | memory | 1 GB |
# | device | CPU or one GPU |
#
# **You will see** six schedules that differ in one value each, what that value does to a forward pass, Table 3, and each
# statement of the paper's appendix D checked.

# %% tags=["nbval-ignore-output"]
import dataclasses

import pandas as pd
import torch

from smislib import claims, data, presets, results, runs, viz
from smislib.layers import ParamFreeBatchNorm
from smislib.metrics import METRICS
from smislib.models import MODELS
from smislib.reproduce import ready
from smislib.sample import draw, generate, generator, resample

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## One value each
#
# Nothing is copied to make an ablation: each row is GroupDNet's schedule with one field replaced. At `paper` GroupDNet has
# codes that are maps, and the table asks what they are worth; the small networks of `smoke` and `demo` have one vector for
# each class, so there the row is turned round: it *has* the maps that GroupDNet lacks.

# %%
name, root = presets.main_data()
rows = presets.table_3(preset)
experiments = {model: presets.experiment(model, name, preset, seed, root) for model in rows}
whole = dataclasses.asdict(experiments["groupdnet"].network)
for model in rows[:-1]:
    changed = {k: v for k, v in dataclasses.asdict(experiments[model].network).items() if v != whole[k]}
    print(f"{MODELS[model].title:36} {changed}, in GroupDNet {[whole[k] for k in changed]}")

# %% [markdown]
# What "without sync BN" means: on four devices each quarter of the batch is normalised by its own statistics. One process
# does the same to four parts of its batch, so the row is the same experiment on any number of devices.

# %%
x = torch.randn(8, 4, 5, 5, generator=generator(seed)) * 3 + 1
apart, together = ParamFreeBatchNorm(4, devices=4).train(), ParamFreeBatchNorm(4).train()
by_hand = torch.cat([(p - p.mean((0, 2, 3), keepdim=True)) / p.std((0, 2, 3), correction=0, keepdim=True) for p in x.chunk(4)])
print(f"four parts: match by hand: {torch.allclose(apart(x), by_hand, atol=1e-4)}")
print(f"against sync BN: mean |difference| {(apart(x) - together(x)).abs().mean():.3f}")

# %% tags=["nbval-ignore-output"]
store = {model: ready(experiment) for model, experiment in experiments.items()}
for model, run in store.items():
    print(f"{MODELS[model].title:36} {run.experiment.train.steps} steps")

# %% [markdown]
# ## Table 3

# %% tags=["nbval-ignore-output"]
suffix = "[embedded]" if experiments["groupdnet"].evaluation.backbone == "embedded" else ""
metrics = [f"{metric}{suffix}" for metric in ("FID", "mCSD", "mOCD", "LPIPS", "mCSD/mOCD")]
printed = results.published("SMIS_2003.12697", "table_3")
records = results.in_reading(results.of_runs(name, preset), "masked")
cells = results.cells(records, rows, metrics)
columns = {metric: METRICS[metric].column if METRICS[metric].column in printed["columns"] else None for metric in metrics}
table, caption = results.comparison(records, rows, columns, printed)
results.save_table(table, f"SMIS Table 3. {caption}", "table03_ablation", preset)
print(caption)
table.T

# %% [markdown]
# ## The paper's statements, each checked
#
# A quotient above 1 means that the row's value is higher than GroupDNet's; for the maps, where GroupDNet is the row that
# lacks them, GroupDNet's value over theirs. Its interval comes from the ends of both. The sentence on spectral norm is
# damaged in the text that we have; our reading may be wrong.

# %% tags=["nbval-ignore-output"]
verdicts = claims.smis.table_3(cells, suffix)
caption = f"Statements of SMIS appendix D, preset {preset}. {results.brackets(cells.values())}"
results.save_table(verdicts, caption, "table03_claims", preset)
print(verdicts.to_string(index=False))

# %% [markdown]
# ## Look at it
#
# One label map. Left three drawn codes, right three times a new code for one class, the largest after the background.

# %%
networks = {model: runs.load(run.weights) for model, run in store.items()}
batch = presets.batch(networks["groupdnet"], "test", 1)
classes = data.classes(experiments["groupdnet"].data)
areas = [(batch["label_map"] == c).sum().item() for c in range(len(classes))]
c = sorted(range(len(classes)), key=lambda c: -areas[c])[1]
print(f"the second largest class of the label map: {classes.names[c]}, {areas[c] / sum(areas):.1%} of it")

# %% tags=["nbval-ignore-output"]
figure = {}
for model in rows:
    net, rng = networks[model], generator(seed, "table 3")
    z = draw(net, 3, rng)
    one_class = resample(net, z[:1], c, 3, generator(seed, "one class"))
    figure[MODELS[model].title] = generate(net, batch["labels"], torch.cat([z, one_class]))
titles = ["", "all codes", "", "", f"{classes.names[c]} alone", ""]
fig = viz.image_rows(figure, titles, size=1.05)
viz.save(fig, "table03_samples", f"{name}, preset {preset}, seed {seed}: GroupDNet with one thing changed.", preset)
change = {title: (images[3:] - images[:1]).abs().mean((0, 1)) for title, images in figure.items()}
inside = batch["label_map"][0] == c
moved = {t: {"inside": m[inside].mean().item(), "outside": m[~inside].mean().item()} for t, m in change.items()}
print(pd.DataFrame(moved).T.round(3).to_string())

# %% [markdown]
# ## Summary
#
# What gets worse? For each row the metrics in which GroupDNet is better by more than the intervals leave open.

# %% tags=["nbval-ignore-output"]
for model in rows[:-1]:
    worse = [metric for metric in metrics if claims.logic.better(cells, metric, "groupdnet", model)]
    print(f"{MODELS[model].title:36} worse:", ", ".join(worse) or "nothing that is decided")
print("statements: " + ", ".join(f"{n} {verdict}" for verdict, n in verdicts["verdict"].value_counts().items()))
