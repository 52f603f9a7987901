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
# # 12 · SPADE: labels that a norm cannot wash away
#
# **Question.** Why does a label map that enters a network once get lost in it, and what is it worth to say it again at
# every norm?
#
# | needs | |
# |---|---|
# | time | a minute when `make reproduce` has trained the networks; else the time to train and measure them |
# | memory | 1 GB |
# | device | CPU or one GPU |
#
# **You will see** the argument of the paper (Park et al. 2019, 1903.07291) in numbers, its Tables 1 and 3 to 5 on data that the
# library draws (or on the folders in `DATA_ROOT`), parameters against mIoU, and the style of one picture on the labels of
# another.

# %% tags=["nbval-ignore-output"]
import matplotlib.pyplot as plt
import pandas as pd
import torch
from torch import nn

from smislib import claims, data, presets, results, runs, viz
from smislib.config import DataSpec
from smislib.layers import CGNorm
from smislib.models import MODELS
from smislib.papers import gaugan
from smislib.reproduce import ready
from smislib.sample import draw, encode, generate, generator

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## A picture of one class
#
# Take label maps that are one class everywhere: all grass, all sky. A convolution turns each into a constant in every
# channel, a different one for each class. Then comes instance norm, as it does in pix2pixHD, and subtracts the mean. Of a
# constant nothing is left, whichever class it was.

# %%
C, width = 5, 16
torch.manual_seed(seed)  # of the initial weights
conv = nn.Conv2d(C, width, 3, padding=1, padding_mode="replicate").double()
uniform = torch.eye(C).double()[:, :, None, None].expand(C, C, 16, 16)  # one label map for each class
with torch.no_grad():
    before = conv(uniform)
    after = nn.InstanceNorm2d(width)(before)
print("labels", tuple(uniform.shape), "-> features", tuple(before.shape))


# %%
def apart(features: torch.Tensor) -> float:
    """The largest difference between the features of any two classes."""
    return (features[:, None] - features[None]).abs().max().item()


print(f"classes apart behind the convolution:  {apart(before):.3f}")
print(f"behind instance norm, expected 0 up to rounding, match: {apart(after) < 1e-12}")

# %% [markdown]
# SPADE normalises too, but the scale γ and the shift β that follow come from the label map, cell by cell. With one group,
# the library's CG-Norm is SPADE:
#
# $$ \text{SPADE}(x, \text{labels}) = \text{norm}(x)\,(1 + \gamma(\text{labels})) + \beta(\text{labels}) $$
#
# Here norm(x) is 0, so the output is β(labels).

# %%
spade = CGNorm(width, C, hidden=16, shared_groups=1, affine_groups=1, norm="instance").double()
with torch.no_grad():
    modulated = spade(before, uniform)
    beta = spade.beta(spade.shared(uniform).relu())
print(f"classes apart behind SPADE: {apart(modulated):.3f}")
print("output = beta(labels), match:", torch.allclose(modulated, beta, atol=1e-9))

# %% tags=["nbval-ignore-output"]
stages = {"convolution": before, "instance norm": after, "SPADE": modulated}
fig, axes = plt.subplots(1, 3, figsize=(8.4, 2.2), sharey=True)
for ax, (name, features) in zip(axes, stages.items(), strict=True):
    shown = ax.imshow(features[:, :, 8, 8], cmap="RdBu_r", vmin=-0.6, vmax=0.6)
    ax.set(title=name, xlabel="channel", yticks=range(C), aspect="auto")
    ax.grid(False)
axes[0].set_ylabel("class")
fig.colorbar(shown, ax=axes, label="feature")
caption = f"Features in the middle of a label map that is one class everywhere. Seed {seed}, any preset."
viz.save(fig, "fig_spade_uniform_maps", caption, preset)

# %% [markdown]
# The same in a trained network: what stands behind the first norm of pix2pixHD, for label maps of one class, and for a
# label map of two.

# %% tags=["nbval-ignore-output"]
rows = presets.rows("spade")  # (model, data set, its folder)
folders = presets.tables_data()
compared = ("pix2pixhd", "spade")
experiments = {
    (name, model): presets.experiment(model, name, preset, seed, root) for name, root in folders.items() for model in compared
}
networks = {key: runs.load(ready(experiment).weights) for key, experiment in experiments.items()}
print(f"{len(networks)} networks")

# %%
first = next(iter(folders))
nets, s = networks[first, "pix2pixhd"], experiments[first, "pix2pixhd"].network
one = torch.zeros(1, s.label_channels, s.height, s.width)
one[:, 0] = 1
two = one.clone()
two[:, 0, s.height // 2 :], two[:, 1, s.height // 2 :] = 0, 1
behind = []
hook = nets.G.norms[0].register_forward_hook(lambda module, inputs, output: behind.append(output.abs().max().item()))
for labels in (one, two):
    generate(nets, labels, None)
hook.remove()
print(f"{first}: one class leaves less than 0.001 behind the first norm: {behind[0] < 1e-3}; two leave more: {behind[1] > 0.1}")

# %% [markdown]
# ## Table 1: SPADE against pix2pixHD
#
# Both are trained on the same data for as long; `rooms` stands in for ADE20K and `streets` for Cityscapes. Our segmenters
# and features are small networks: the order of the rows is what can be compared with the paper, not the values.

# %% tags=["nbval-ignore-output"]
suffix = "[embedded]" if experiments[first, "spade"].evaluation.backbone == "embedded" else ""
metrics = [f"{metric}{suffix}" for metric in ("mIoU", "Acc", "FID")]
printed = results.published("SPADE_1903.07291", "table_1")
cells, parts = {}, {}
for name in folders:
    records = results.of_runs(name, preset)
    cells[name] = results.cells(records, compared, metrics)
    theirs = [f"{presets.PAPER_NAMES.get(name)} {column}" for column in ("mIoU", "accu", "FID")]
    columns = {metric: column if column in printed["columns"] else None for metric, column in zip(metrics, theirs, strict=True)}
    parts[name], caption = results.comparison(records, compared, columns, printed)
table = pd.concat(parts, axis=1)
caption = caption.replace(f"data {name}", f"data {', '.join(folders)}")
results.save_table(table, f"SPADE Table 1. {caption}", "table_spade_1_comparison", preset)
print(caption)
table.T

# %% tags=["nbval-ignore-output"]
verdicts = {"table 1": claims.gaugan.table_1(cells, suffix)}
caption = f"SPADE above pix2pixHD, preset {preset}. "
caption += results.brackets(cell for of in cells.values() for cell in of.values())
results.save_table(verdicts["table 1"], caption, "table_spade_1_claims", preset)
print(verdicts["table 1"].to_string(index=False))

# %% tags=["nbval-ignore-output"]
pictures = {}
for name in folders:
    batch = presets.batch(networks[name, "spade"], "test", 2)
    shown = [viz.colour(batch["label_map"], data.classes(experiments[name, "spade"].data)), batch["image"]]
    shown += [generate(networks[name, model], batch["labels"], None) for model in compared]
    pictures[name] = torch.stack(shown, dim=1)  # (2,4,3,H,W)
    fig = viz.image_rows(
        {f"{name} {i}": row for i, row in enumerate(pictures[name])}, ["labels", "real", "pix2pixHD", "SPADE"], size=1.4
    )
    viz.save(fig, f"fig_spade_1_{name}", f"{name}, preset {preset}, seed {seed}: held-out label maps.", preset)
print({name: tuple(rows.shape) for name, rows in pictures.items()})

# %% [markdown]
# ## Table 2: what people prefer
#
# The paper asked raters on Mechanical Turk which of two images looks more real. There are no raters here; the printed
# shares are all that this table can show.

# %%
study = results.published("SPADE_1903.07291", "table_2")
table = pd.DataFrame(study["rows"], index=study["columns"]).T.astype(object).where(lambda t: t.notna(), "not available")
results.save_table(
    table, f"SPADE Table 2, as published: {study['caption']}. No study was run here.", "table_spade_2_study", preset
)
table

# %% [markdown]
# ## Table 3: is it the modulation, or just more labels?
#
# A network can be told the labels again without SPADE: by putting them beside the input of its convolutions. The paper
# compares both in two networks. The **decoder** starts at the smallest grid; **pix2pixHD++** is pix2pixHD with sync batch
# norm, trained as SPADE is.
#
# The words leave details open; the printed numbers of parameters settle them. Built at the published widths for ADE20K, our
# rows have:


# %%
def millions(row: str) -> float:
    """Parameters of a row's generator as published on ADE20K; nothing is allocated."""
    with torch.device("meta"):
        built = MODELS[row].networks(presets.assemble(row, "paper", 0, DataSpec("ade20k", 256, 256)).network)
    return sum(p.numel() for p in built.G.parameters()) / 1e6


# %%
printed = results.published("SPADE_1903.07291", "table_3")
at_scale = pd.DataFrame({"ours": {MODELS[row].title: millions(row) for row in gaugan.TABLE_3}}).round(2)
at_scale["printed"] = [printed["rows"][title][0] for title in at_scale.index]
print(at_scale)
print("to the million, match:", (at_scale["ours"].round() == at_scale["printed"]).all())

# %% [markdown]
# So "w/ Concat" is the labels beside every convolution of the decoder, but once for each residual block of pix2pixHD++;
# its SPADE replaces all norms, the encoder's too; "compact" is 48 filters instead of 64.
#
# Many rows must share little time: at `demo` each has a third of Table 1's steps, on half as large batches. All are on one data
# set: `rooms`, or ADE20K, or else Cityscapes, for which the paper prints the same tables.

# %% tags=["nbval-ignore-output"]
planned = {row: presets.experiment(row, name, preset, seed, root) for row, name, root in rows if row in gaugan.ROWS}
store = {row: ready(experiment) for row, experiment in planned.items()}
e = planned["spade_short"]
print(f"{len(store)} rows on {e.data.name}: {e.train.steps} steps of {e.train.batch}, {e.evaluation.n_fid} test images")

# %% tags=["nbval-ignore-output"]
suffix = "[embedded]" if e.evaluation.backbone == "embedded" else ""
metrics = [f"{metric}{suffix}" for metric in ("mIoU", "Acc", "FID")]
records = results.of_runs(e.data.name, preset)
theirs = {"Cityscapes": "City mIoU"}.get(presets.PAPER_NAMES.get(e.data.name), "ADE mIoU")  # the paper's column
of_rows = results.cells(records, gaugan.ROWS, ["Params", *metrics])
columns = {"Params": "#param_M", metrics[0]: theirs, metrics[1]: None, metrics[2]: None}
table, caption = results.comparison(records, gaugan.TABLE_3, columns, printed)
results.save_table(table, f"SPADE Table 3. {caption}", "table_spade_3_effectiveness", preset)
print(caption)
table

# %% [markdown]
# ## Parameters against mIoU
#
# What more parameters buy, and what SPADE buys. Left the paper's numbers, right ours.

# %%
KINDS = {"SPADE": "#d1603d", "concatenation": "#3566a8", "at the start alone": "#5b6770"}


def kind(row: str) -> str:
    """How a row of Table 3 is told the labels."""
    concat = row.endswith("_concat")
    return "concatenation" if concat else "SPADE" if "spade" in row else "at the start alone"


# %% tags=["nbval-ignore-output"]
fig, axes = plt.subplots(1, 3, figsize=(9.4, 2.9), width_ratios=(3, 3, 1.6), gridspec_kw={"wspace": 0.35})
for number, row in enumerate(gaugan.TABLE_3, start=1):
    title, colour = MODELS[row].title, KINDS[kind(row)]
    line, ours = printed["rows"][title], [of_rows.get((row, metric)) for metric in ("Params", metrics[0])]
    points = [(axes[0], line[0], line[printed["columns"].index(theirs)], None)]
    if None not in ours:
        points.append((axes[1], ours[0].value / 1e6, ours[1].value, ours[1].interval))
    for ax, x, y, interval in points:
        ax.vlines(x, *(interval or (y, y)), color=colour)
        ax.plot(x, y, "o", color=colour, markersize=4)
        ax.annotate(str(number), (x, y), (4, 3), textcoords="offset points", fontsize=8)
    axes[2].text(0, 1 - number / 9, f"{number}  {title}", color=colour, fontsize=8, transform=axes[2].transAxes)
axes[0].set(xlabel="parameters (M)", ylabel="mIoU (%)", title=f"published, {theirs}")
axes[1].set(xlabel="parameters (M)", ylabel=metrics[0], title=f"{e.data.name}, preset {preset}")
axes[2].set_axis_off()
bars = results.bars(of_rows[row, metrics[0]] for row in gaugan.TABLE_3 if (row, metrics[0]) in of_rows)
drawn_as = "Red: the labels enter by SPADE, blue: by concatenation, grey: at the start alone"
viz.save(fig, "fig_spade_3_parameters", f"Parameters of G against mIoU. {drawn_as}; preset {preset}, bars: {bars}.", preset)
print("points:", len(gaugan.TABLE_3), "published,", sum((row, metrics[0]) in of_rows for row in gaugan.TABLE_3), "ours")

# %% [markdown]
# ## Table 4: variations of SPADE itself
#
# What the generator starts from, how far γ and β look, how wide it is, which norm is inside. No legible copy of the paper's
# numbers was found. The width goes by the number of parameters that it has in the paper; ours is thinner.

# %% tags=["nbval-ignore-output"]
WIDTH = "as wide as the paper's"
lines = {
    f"{what}: {value.replace('#params', WIDTH)}": {m: str(of_rows.get((row, m), "not run")) for m in metrics}
    for what, values in gaugan.TABLE_4.items()
    for value, row in values.items()
}
table = pd.DataFrame(lines).T
table.insert(0, "published mIoU", "not available")
varied = dict.fromkeys(row for values in gaugan.TABLE_4.values() for row in values.values())
unprinted = results.published("SPADE_1903.07291", "table_4")
caption = results.comparison(records, varied, dict.fromkeys(metrics), unprinted)[1]
results.save_table(table, f"SPADE Table 4. {caption}", "table_spade_4_variations", preset)
print(caption)
table

# %% [markdown]
# ## Table 5: what the training is worth
#
# The appendix takes parts of the training away, and puts a layer on the discriminator.

# %% tags=["nbval-ignore-output"]
appendix = results.published("SPADE_1903.07291", "table_5")
appendix["rows"][MODELS["spade_short"].title] = appendix["rows"]["Ours"]  # as the row is called in Table 3
table, caption = results.comparison(records, gaugan.TABLE_5, {metrics[0]: theirs}, appendix)
results.save_table(table, f"SPADE Table 5. {caption}", "table_spade_5_training", preset)
print(caption)
table

# %% [markdown]
# ## Look at it
#
# The same label maps through every row.

# %% tags=["nbval-ignore-output"]
nets = {row: runs.load(run.weights) for row, run in store.items()}
batch = presets.batch(nets["spade_short"], "test", 8)
figure = {"labels": viz.colour(batch["label_map"], data.classes(e.data)), "real": batch["image"]}
for row, net in nets.items():
    z = draw(net, len(batch["labels"]), generator(seed, "table 3"))
    figure[MODELS[row].title] = generate(net, batch["labels"], z)
fig = viz.image_rows(figure, size=0.95)
viz.save(fig, "fig_spade_4_rows", f"Rows of Tables 3 to 5 on {e.data.name}, preset {preset}, seed {seed}.", preset)
error = {title: (images - batch["image"]).abs().mean().item() for title, images in figure.items()}
print("mean |difference| from the real image:", {title: round(value, 3) for title, value in error.items()})

# %% [markdown]
# ## The paper's statements, each checked
#
# "Better" counts when the 95 % interval of the quotient decides it, "level" when neither is worse by 10 % by that interval.
# The intervals are over test images, and where there are several seeds over seeds and images. Of Table 4 we have neither numbers
# nor a legible text: its statements are what the section is known for, not checked against the page.

# %% tags=["nbval-ignore-output"]
for table_name in ("TABLE_3", "TABLE_4", "TABLE_5"):
    found = claims.gaugan.ablation(of_rows, getattr(claims.gaugan, table_name), metrics[0])
    verdicts[table_name.replace("TABLE_", "table ")] = found
of_tables = {name: found for name, found in verdicts.items() if name != "table 1"}
both = pd.concat(of_tables).droplevel(1)
caption = f"Statements about SPADE Tables 3 to 5, preset {preset}. {results.brackets(of_rows.values())}"
results.save_table(both, caption, "table_spade_3_claims", preset)
for line in both.itertuples():
    print(f"{line.Index}: {line.statement}\n   {line.found}\n   {line.verdict}")

# %% [markdown]
# ## Style: one picture's look on another's labels
#
# Since the labels come in at every norm, the generator's input is free: it may be a code z of the whole picture, which an
# encoder reads off a reference (a VAE: in training the reference is the picture itself, and a KL term keeps z near N(0,1)).
# So a new reference is a new style, and so is a drawn z.

# %% tags=["nbval-ignore-output"]
model, name, root = next(row for row in rows if row[0] == gaugan.STYLE[0])
vae = runs.load(ready(presets.experiment(model, name, preset, seed, root)).weights)
batch, references = presets.batch(vae, "test", 3), presets.batch(vae, "test", 5, first=8)
z = encode(vae, references["image"], references["labels"])
blank = torch.ones(1, *batch["image"].shape[1:])
sheet = {"reference": torch.cat([blank, references["image"]])}
for i in range(len(batch["labels"])):
    own = viz.colour(batch["label_map"][i : i + 1], data.classes(vae.experiment.data))
    sheet[f"labels {i}"] = torch.cat([own, generate(vae, batch["labels"][i : i + 1], z)])
fig = viz.image_rows(sheet, ["labels", *(f"style {k + 1}" for k in range(len(z)))], size=1.25)
viz.save(fig, "fig_spade_5_style_transfer", f"Style of the top row; {name}, preset {preset}, seed {seed}.", preset)
print("z", tuple(z.shape), "sheet", len(sheet), "rows")

# %% tags=["nbval-ignore-output"]
DRAWS = 6
drawn = draw(vae, DRAWS, generator(seed, "styles"))
sheet = {}
for i in range(len(batch["labels"])):
    own = viz.colour(batch["label_map"][i : i + 1], data.classes(vae.experiment.data))
    sheet[f"labels {i}"] = torch.cat([own, generate(vae, batch["labels"][i : i + 1], drawn)])
fig = viz.image_rows(sheet, ["labels", *(f"draw {k + 1}" for k in range(DRAWS))], size=1.25)
viz.save(fig, "fig_spade_6_drawn_styles", f"Codes from N(0,1); {name}, preset {preset}, seed {seed}.", preset)
print("standard deviation of a pixel over draws:", round(torch.stack([s[1:] for s in sheet.values()]).std(1).mean().item(), 3))

# %% [markdown]
# Does the style arrive? Over several references, the mean colour of what was made from the labels of image 0, against the
# mean colour of the reference: the correlation, channel by channel, is 1 where the look follows the reference and 0 where it
# does not.

# %% tags=["nbval-ignore-output"]
references = presets.batch(vae, "test", 24, first=4)
styled = generate(vae, batch["labels"][:1], encode(vae, references["image"], references["labels"]))
pairs = zip(references["image"].mean((2, 3)).T, styled.mean((2, 3)).T, strict=True)
follow = [torch.corrcoef(torch.stack([a, b]))[0, 1].item() for a, b in pairs]
print("correlation of mean red, green, blue:", [round(r, 2) for r in follow])

# %% [markdown]
# ## Summary

# %% tags=["nbval-ignore-output"]
for title, found in verdicts.items():
    print(f"{title}: " + ", ".join(f"{n} {verdict}" for verdict, n in found["verdict"].value_counts().items()))
for row in gaugan.ROWS:
    if (row, metrics[0]) in of_rows:
        print(f"{MODELS[row].title:36} {metrics[0]} {of_rows[row, metrics[0]]}")
print(f"style: mean colour follows the reference with correlation {sum(follow) / 3:.2f}")
