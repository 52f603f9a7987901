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
# # 15 · S3GAN: the tables, with one label in twenty, in ten, in five
#
# **Question.** How close to a GAN that knows every label (BIGGAN) does one come that knows a few, or none?
#
# | needs | |
# |---|---|
# | time | a minute when `make reproduce` has trained the networks; else the time to train and measure them |
# | memory | 1 GB |
# | device | CPU or one GPU |
#
# **You will see** Tables 2 to 5 and 12 to 14 and Figures 1, 7, 8 and 21 of the paper (Lucic et al. 2019, 1903.02271) on
# `tokens`, pictures of 24 things that the library draws, the same tables on real handwritten digits, and each of the
# paper's statements with its verdict. What the methods are is in notebook 14.

# %% tags=["nbval-ignore-output"]
import matplotlib.pyplot as plt
import pandas as pd

from smislib import claims, presets, results, runs, viz
from smislib.models import MODELS
from smislib.papers import s3gan as paper
from smislib.reproduce import ready
from smislib.results import published
from smislib.sample import conditions, draw, generate, generator

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## What was trained
#
# `make reproduce` trains ten of the methods with one seed, those that look at labels with 20 % of them.
# `make reproduce PAPER=s3gan SEEDS=3` trains all of them, also with 5 and 10 %, and on the digits. Where this machine has no
# record of an experiment, the one that is committed with the library stands in, if there is one; the
# captions count both.

# %% tags=["nbval-ignore-output"]
for model, name in paper.EXPERIMENTS:
    ready(presets.experiment(model, name, preset, seed))
records, whence = {}, {}
for name in (paper.DATA, paper.REAL):
    records[name], whence[name] = results.with_committed(results.of_runs(name, preset), name, preset)
    print(f"{name}: {whence[name]}")

# %%
e = presets.experiment("biggan", paper.DATA, preset, seed)
suffix = "[embedded]" if e.evaluation.backbone == "embedded" else ""
FID, IS = f"FID{suffix}", f"IS{suffix}"
print(f"{e.data.n_train} pictures of {e.data.height}x{e.data.width}, {e.network.C} classes")
print(f"G {e.network.channels}, D {e.network.d_channels}, {e.train.steps} steps of batch {e.train.batch}")

# %% [markdown]
# ## Tables 2 and 14: without any label
#
# One label for everything, random labels, or the clusters of a network that learnt to tell how a picture was turned; (SS):
# with self-supervision during the training of the GAN too.


# %% tags=["nbval-ignore-output"]
def printed(*names):
    """The paper's tables that print the same, as medians and as means."""
    return [published("S3GAN_1903.02271", name) | {"as": how} for name, how in zip(names, ("median", "mean"), strict=True)]


METRICS = {FID: "FID", IS: "IS"}
rows = {paper.TITLES[model]: {"": model} for model in paper.UNSUPERVISED}
table, caption = results.grid_comparison(records[paper.DATA], rows, METRICS, printed("table_2", "table_14"))
results.save_table(table, f"S3GAN Tables 2 and 14. {caption} {whence[paper.DATA]}", "table_s3gan_2_unsupervised", preset)
print(caption)
table

# %% [markdown]
# ## Table 3: how often the inferred labels are wrong
#
# The classifier that labels the rest, on held-out pictures.

# %% tags=["nbval-ignore-output"]
theirs = published("S3GAN_1903.02271", "table_3")
labellers = {f"{k}%": f"labeller_{k}" for k in paper.PERCENTS}
errors = ("Top-1 error", "Top-5 error")
ours = results.cells(records[paper.DATA], list(labellers.values()), errors)
table = pd.DataFrame(
    {
        (share, what): [results.published_cell(theirs, f"TOP-{k} ERROR", share) for k in (1, 5)]
        if what == "published"
        else [str(ours.get((model, error), "not run")) for error in errors]
        for share, model in labellers.items()
        for what in ("published", "reproduced")
    },
    index=["Top-1 error (%)", "Top-5 error (%)"],
)
caption = (
    f"S3GAN Table 3, {paper.DATA}, preset {preset}: {e.network.C} classes; published on ImageNet, 1,000. {whence[paper.DATA]}"
)
results.save_table(table, caption, "table_s3gan_3_errors", preset)
print(caption)
table

# %% [markdown]
# ## Tables 4 and 12: labels inferred before, or while training
#
# S2GAN infers the missing labels once and for all; S2GAN-CO lets the discriminator guess them; S3GAN adds
# self-supervision.


# %% tags=["nbval-ignore-output"]
def at_shares(*methods):
    """row -> share of the labels -> model."""
    return {paper.TITLES[m]: {f"{k}%": f"{m}_{k}" for k in paper.PERCENTS} for m in methods}


rows = at_shares("s2gan", "s2gan_co", "s3gan", "s3gan_co")
table, caption = results.grid_comparison(records[paper.DATA], rows, METRICS, printed("table_4", "table_12"))
results.save_table(table, f"S3GAN Tables 4 and 12. {caption} {whence[paper.DATA]}", "table_s3gan_4_semi_supervised", preset)
print(caption)
table

# %% [markdown]
# ## Tables 5 and 13: hard or soft labels

# %% tags=["nbval-ignore-output"]
soft = printed("table_5", "table_13")
soft[0]["rows"]["S2GAN SOFT"] = soft[0]["rows"]["S2GAN + SOFT"]  # Table 5 writes it with a plus
table, caption = results.grid_comparison(records[paper.DATA], at_shares("s2gan", "s2gan_soft"), METRICS, soft)
results.save_table(table, f"S3GAN Tables 5 and 13. {caption} {whence[paper.DATA]}", "table_s3gan_5_soft", preset)
print(caption)
table

# %% [markdown]
# ## Figures 1, 7 and 8: FID against the GAN that knows every label
#
# The bar is FID, lower is better; the line is BIGGAN with all labels.

# %% tags=["nbval-ignore-output"]
of_tokens = results.cells(records[paper.DATA], list(paper.CHANGES), [FID, IS])


def bars(ax, models):
    """FID of each model that was measured, and BIGGAN's as a line."""
    known = [m for m in models if (m, FID) in of_tokens]
    cells = [of_tokens[m, FID] for m in known]
    places = range(len(known))
    ax.barh(places, [c.value for c in cells], color=["#4c956c" if "s3gan" in m else "#3566a8" for m in known])
    for y, cell in zip(places, cells, strict=True):
        ax.plot(cell.interval, (y, y), color="#222222", linewidth=1)
    ax.set_yticks(places, [MODELS[m].title for m in known])
    ax.invert_yaxis()
    ax.axvline(of_tokens["biggan", FID].value, color="#d1603d")
    ax.set(xlabel=FID)
    return dict(zip(known, (round(c.value, 2) for c in cells), strict=True))


# %% tags=["nbval-ignore-output"]
three = ["s3gan_5", "s3gan_10", "s3gan_20"]
figures = {
    "1_labels": ("As S3GAN Figure 1", [*(f"biggan_only_{k}" for k in paper.PERCENTS), *three]),
    "7_unsupervised": ("As S3GAN Figure 7, unsupervised", list(paper.UNSUPERVISED)),
    "8_s3gan": ("As S3GAN Figure 8", [*three, *(f"s2gan_{k}" for k in paper.PERCENTS)]),
}
for name, (title, models) in figures.items():
    fig, ax = plt.subplots(figsize=(4.6, 0.5 + 0.28 * len(models)))
    print(title, bars(ax, models))
    lines = results.bars(of_tokens[m, FID] for m in models if (m, FID) in of_tokens)
    how = f"{paper.DATA}, preset {preset}; lines across bars: {lines}"
    viz.save(fig, f"fig_s3gan_{name}", f"{title}; orange: BIGGAN, all labels. {how}.", preset)

# %% [markdown]
# ## Figure 21: FID and IS over training

# %% tags=["nbval-ignore-output"]
shown = ["single_label", "clustering", "biggan_only_20", "s2gan_co_20", "s3gan_20", "biggan"]
fig, axes = plt.subplots(1, 2, figsize=(7.4, 2.6), gridspec_kw={"wspace": 0.28})
last = {}
for ax, metric in zip(axes, (f"FID over training{suffix}", f"IS over training{suffix}"), strict=True):
    for model in shown:
        mine = [r for r in records[paper.DATA] if (r.model, r.metric, r.seed) == (model, metric, seed)]
        steps = sorted((r.protocol["step"], r.value) for r in mine)
        ax.plot(*zip(*steps, strict=True), "o-", markersize=3, label=MODELS[model].title)
        last[model, metric] = round(steps[-1][1], 2)
    ax.set(xlabel="step", ylabel=metric.replace(" over training", ""))
fig.legend(*axes[0].get_legend_handles_labels(), loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.12))
n = next(r.protocol["n"] for r in records[paper.DATA] if r.metric == f"FID over training{suffix}")
how = f"{paper.DATA}, preset {preset}, seed {seed}; n = {n}, fewer than in the tables"
viz.save(fig, "fig_s3gan_21_over_training", f"As S3GAN Figure 21: {how}.", preset)
print("at the end:", last)

# %% [markdown]
# ## Look at it
#
# The methods that `make reproduce` trains of itself (not CLUSTERING (SS) and S3GAN-CO), the same codes; where its classes are the
# true ones, the same classes.

# %% tags=["nbval-ignore-output"]
sheet = {"real": presets.batch(runs.load(ready(e).weights), "test", 10)["image"]}
for model, _ in paper.EXPERIMENTS:
    if model in paper.CHANGES:
        networks = runs.load(ready(presets.experiment(model, paper.DATA, preset, seed)).weights)
        rng = generator(seed, "sheet")
        y = conditions(networks, sheet["real"], rng)
        sheet[MODELS[model].title] = generate(networks, y, draw(networks, len(y), generator(seed, "codes")))
fig = viz.image_rows(sheet, size=0.62)
viz.save(
    fig,
    "fig_s3gan_samples",
    f"Samples of {len(sheet) - 1} of the methods, {paper.DATA}, preset {preset}, seed {seed}.",
    preset,
)
print("spread of a pixel over images:", {title: round(images.std(0).mean().item(), 2) for title, images in sheet.items()})

# %% [markdown]
# ## Real pictures: 1,797 handwritten digits
#
# The same methods on scikit-learn's digits, 1,437 to train on and 360 held out. So few images make wide intervals, and FID
# on 360 of them is far from what it would be on many: the columns compare with one another, and with nothing else.

# %% tags=["nbval-ignore-output"]
rows = {
    "BIGGAN": {"all": "biggan"},
    **{paper.TITLES[m]: {"none": m} for m in paper.UNSUPERVISED},
    **{title if m != "biggan_only" else "BIGGAN, rest dropped": {f"{k}%": f"{m}_{k}" for k in paper.PERCENTS}
       for m in paper.LABELLED for title in [paper.TITLES[m]]},
}  # fmt: skip
settings = ("all", "none", *(f"{k}%" for k in paper.PERCENTS))
of_digits = results.cells(records[paper.REAL], list(paper.CHANGES), [FID, IS])
found = {
    (metric, share): [
        str(of_digits.get((of.get(share, ""), metric), "–" if share not in of else "not run")) for of in rows.values()
    ]
    for metric in (FID, IS)
    for share in settings
}
table = pd.DataFrame(found, index=pd.Index(rows, name="method"))
seeds = results.seeds_of(records[paper.REAL])
caption = f"{paper.REAL}, preset {preset}, seeds {seeds}; ± is the sd over seeds, brackets 95 % over images. {whence[paper.REAL]}"
results.save_table(
    table, f"S3GAN's methods on handwritten digits, by the share of labels. {caption}", "table_s3gan_digits", preset
)
print(caption)
table

# %% [markdown]
# ## The paper's statements, each checked
#
# "Better" counts when the 95 % interval of the quotient decides it, "no worse" when it is worse by less than 10 %, "far better"
# when it is better by more than 1.5 times. Three seeds have Student's t, so intervals are wider than the ± of the tables, which
# is one sd. The paper has the median of three runs.

# %% tags=["nbval-ignore-output"]
verdicts = {name: claims.s3gan.check(cells, suffix) for name, cells in ((paper.DATA, of_tokens), (paper.REAL, of_digits))}
both = pd.concat(verdicts, names=["data"]).droplevel(1).reset_index()
counted = results.brackets([*of_tokens.values(), *of_digits.values()])
caption = f"Statements of S3GAN, preset {preset}. {counted} {whence[paper.DATA]}"
results.save_table(both.set_index("data"), caption, "table_s3gan_6_claims", preset)
on_tokens = both[(both["data"] == paper.DATA) & (both["metric"] == FID)]
print(on_tokens[["comparison", "found", "verdict"]].to_string(index=False))

# %% [markdown]
# ## Summary

# %% tags=["nbval-ignore-output"]
for (name, metric), part in both.groupby(["data", "metric"], sort=False):
    counts = ", ".join(f"{n} {verdict}" for verdict, n in part["verdict"].value_counts().items())
    print(f"{name}, {metric}: {counts}")
for model in ("single_label", "clustering_ss", "s3gan_5", "s3gan_10", "s3gan_20", "biggan"):
    if (model, FID) in of_tokens:
        print(f"{MODELS[model].title:18} {FID} {of_tokens[model, FID]}   {IS} {of_tokens[model, IS]}")
