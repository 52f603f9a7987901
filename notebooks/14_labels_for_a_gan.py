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
# # 14 · What a label buys a GAN
#
# **Question.** A GAN that is told the class of every picture paints better than one that is told nothing. But labels cost
# people's time. How few will do, and who gives the rest?
#
# | needs | |
# |---|---|
# | time | a minute when `make reproduce` has trained the networks; else the time to train them |
# | memory | 1 GB |
# | device | CPU or one GPU |
#
# **You will see** BigGAN at the size at which S3GAN (1903.02271) trains it, a network that learns by telling how pictures were
# turned, what the clusters of its representation have to do with classes, labels inferred from few and what they get wrong,
# soft labels, and what GANs make of all these labels. Next: notebook 15, the paper's tables.

# %% tags=["nbval-ignore-output"]
import matplotlib.pyplot as plt
import pandas as pd
import torch

from smislib import data, label_quality, label_sources, presets, results, runs, sample, viz
from smislib.data.classed import keep_labels
from smislib.errors import SmisError
from smislib.label_sources import labels_for, one_hot
from smislib.metrics.judges import judge_of
from smislib.models import MODELS, biggan
from smislib.papers.s3gan import DATA, PERCENTS, REAL, SCHEDULES
from smislib.reproduce import ready
from smislib.s3gan import LabellingObjective, turned
from smislib.sample import Noise, draw, draw_classes, generate, generator

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## One thing in each picture
#
# ImageNet is not here, `tokens` are: drawn things, one in each picture, of many classes. Inside a class colours, proportions,
# place and size differ; the scene behind knows nothing of the class. And there is an up: ground below, light from above.

# %%
spec = presets.data_spec(DATA, preset)
train_set, test_set = (data.open_split(spec, split) for split in ("train", "test"))
names, truth, C = data.classes(spec).names, train_set.labels, len(data.classes(spec))
counts = torch.bincount(truth, minlength=C)
print(f"{len(train_set)} pictures to train with, {len(test_set)} held out, {C} classes: {', '.join(names)}")
print(f"pictures of a class: {int(counts.min())} to {int(counts.max())}")


# %%
def pictures(dataset: torch.utils.data.Dataset, indices: torch.Tensor) -> torch.Tensor:
    """Pictures (N,3,H,W) of a data set."""
    return data.collate([dataset[int(i)] for i in indices])["image"]


def of_class(c: int, n: int) -> torch.Tensor:
    """Where the first n training pictures of a class are."""
    return (truth == c).nonzero()[:n, 0]


held = pictures(test_set, torch.arange(min(256, len(test_set))))
held_truth = test_set.labels[: len(held)]
print("held-out pictures", tuple(held.shape), f"values {held.min():.2f} to {held.max():.2f}")

# %% [markdown]
# How much is a share of the labels? Of each class the same share stays known, so that none is forgotten, and the labels of a
# small share are among those of a larger one.

# %%
known = {k: keep_labels(truth, k / 100, seed, names) for k in PERCENTS}
of_each = [torch.bincount(truth[where], minlength=C) for where in known.values()]
counted = [(int(n.sum()), int(n.min()), int(n.max())) for n in of_each]
looked_at = pd.DataFrame(counted, [f"{k}%" for k in PERCENTS], ["labels", "fewest of a class", "most of a class"])
print(looked_at)
print("the few are among the many, match:", bool((known[PERCENTS[0]] <= known[PERCENTS[-1]]).all()))

# %%
shown, most = list(range(0, C, 3)), known[PERCENTS[-1]]
rows = {names[c]: viz.framed(pictures(train_set, of_class(c, 10)), most[of_class(c, 10)]) for c in shown}
fig = viz.image_rows(rows, size=0.8)
caption = f"Real pictures; framed: the label is known at {PERCENTS[-1]} %. {DATA}, preset {preset}, seed {seed}."
viz.save(fig, "fig_s3gan_1_data", caption, preset)
print({names[c]: f"{int(most[of_class(c, 10)].sum())} of {len(rows[names[c]])} known" for c in shown})

# %% [markdown]
# A share may be too small for a class. Then nothing is trained, and the message says what would do:

# %%
try:
    keep_labels(truth, 0.4 / int(counts.min()), seed, names)
except SmisError as error:
    print("SmisError:", error)

# %% [markdown]
# Real pictures with labels that come without a download: handwritten `digits`. One thing is different there. A nine is a six
# turned by half, and a mirror makes a letter of a digit: turns are not as free of classes as they are with things.

# %%
digits = data.open_split(presets.data_spec(REAL, preset), "train")
of_digit = torch.bincount(digits.labels)
print(f"{REAL}: {len(digits)} pictures to train with, of a class {of_digit.min()} to {of_digit.max()}")

# %%
firsts = [(digits.labels == c).nonzero()[:3, 0] for c in range(len(of_digit))]
rows = {f"{i + 1}": pictures(digits, [where[i] for where in firsts]) for i in range(3)}
fig = viz.image_rows(rows, data.classes(presets.data_spec(REAL, preset)).names, size=0.8)
viz.save(fig, "fig_s3gan_2_digits", f"Handwritten digits, the first three of each. Preset {preset}, any seed.", preset)
print("shown", tuple(torch.stack(list(rows.values())).shape))

# %% [markdown]
# ## BigGAN, the network that is told the class
#
# At the size of the paper, without its weights (on torch's "meta" device: shapes alone).

# %%
s = SCHEDULES["biggan"]("paper", "imagenet", {"C": 1000, "height": 128, "width": 128})
with torch.device("meta"):
    published = biggan.Networks(s)
for player, expected in (("G", 70_433_988), ("D", 87_982_370)):
    count = sum(p.numel() for p in getattr(published, player).parameters())
    print(f"{player}: we see {count:,} parameters, expected {expected:,}, match: {count == expected}")

# %%
y, z = (torch.empty(2, n, device="meta") for n in (1000, 120))
image = published.G(y, z)
logits, h = published.D(image, y)
for what, found, expected in (("image", image, (2, 3, 128, 128)), ("logits", logits, (2,)), ("representation", h, (2, 1536))):
    print(f"{what}: we see {tuple(found.shape)}, expected {expected}, match: {tuple(found.shape) == expected}")

# %% [markdown]
# **The code comes in parts** (hierarchical latent). The first makes the start grid; each block has one of its own. It enters,
# with the class, where SPADE has its label map: as scale and shift after a norm.

# %%
grids = [biggan.START * 2**i for i in range(len(s.channels))]
doors = ["start grid", *(f"block {i + 1}" for i in range(len(grids) - 1))]
parts = pd.DataFrame({"of z": [f"{i * s.z_part} to {(i + 1) * s.z_part - 1}" for i in range(len(grids))]}, index=doors)
parts["makes a grid of"], parts["channels"] = [f"{g}x{g}" for g in grids], s.channels
print(parts)
print(f"z: we see {s.z_shape[0]}, expected 6 parts of 20, match: {s.z_shape == (6 * 20,)}")

# %% [markdown]
# **The class is embedded once**, for all blocks: K classes become vectors that every norm reads beside its part of the code.
# A class is thus a direction, and "between two classes" means something to the generator.

# %%
embed, gamma = published.G.embed.weight, published.G.blocks[0].norm_1.gamma.weight
print(f"embedding: we see {tuple(embed.shape)}, expected (128, 1000), match: {tuple(embed.shape) == (128, 1000)}")
print(f"scale of a norm: we see {tuple(gamma.shape)}, expected (1536, 20 + 128), match: {tuple(gamma.shape) == (1536, 148)}")

# %% [markdown]
# All runs of this notebook, trained or loaded: the labellers, which give labels, and the GANs, which get them.

# %% tags=["nbval-ignore-output"]
LABELLERS = ("rotation", *(f"labeller_{k}" for k in PERCENTS))
INFERRED = ("s2gan_20", "s2gan_soft_20", "s2gan_co_20", "s3gan_20")
GANS = ("single_label", "clustering", "biggan_only_20", *INFERRED, "biggan")
store = {model: ready(presets.experiment(model, DATA, preset, seed), measure=model in LABELLERS) for model in (*LABELLERS, *GANS)}
networks = {model: runs.load(run.weights) for model, run in store.items()}

# %% tags=["nbval-ignore-output"]
for model, run in store.items():
    e, count = run.experiment, sum(p.numel() for p in networks[model].parameters())
    print(f"{model:14} {MODELS[model].title:16} {count:9,} parameters, {e.train.steps:6} steps of {e.train.batch}")

# %% [markdown]
# What does each part of the code do in a trained BigGAN? One code, one class, and each row draws one part anew.

# %% tags=["nbval-ignore-output"]
gan, house = networks["biggan"], one_hot(torch.tensor([names.index("house")]), C)
part, fixed = gan.schedule.z_part, draw(gan, 1, generator(seed, "parts")).repeat(8, 1)
anew, rows = draw(gan, 8, generator(seed, "parts", "anew")), {}
for i, door in enumerate(doors[: len(gan.schedule.channels)]):
    own = torch.arange(fixed.shape[1]) // part == i
    rows[door] = generate(gan, house, torch.where(own, anew, fixed))

# %% tags=["nbval-ignore-output"]
fig = viz.image_rows(rows, size=0.8)
viz.save(fig, "fig_s3gan_3_parts", f"BIGGAN, one part of the code drawn anew. {DATA}, preset {preset}, seed {seed}.", preset)
for door, images in rows.items():
    print(f"{door:10} drawn anew: standard deviation over the samples {images.std(0).mean():.3f}")

# %% [markdown]
# **The discriminator is asked for the class by projection.** Its logit has a part that knows no class (is this real?) and an
# inner product of the representation with the class's vector (is it *this*?).

# %%
with torch.inference_mode():
    h, own = gan.D.represent(held), one_hot(held_truth, C)
    free, of_classes = gan.D.fc(h)[:, 0], h @ gan.D.projection(torch.eye(C)).T  # (N,), (N,C)
    logits = gan.D.judge(h, own)
print("logit = class-free part + projection, match:", torch.allclose(logits, free + of_classes[own > 0], rtol=1e-4, atol=1e-3))

# %% tags=["nbval-ignore-output"]
asked = (of_classes.argmax(1) == held_truth).float().mean()
print(f"held-out pictures whose own class has the largest projection: {asked:.1%}, by chance {1 / C:.1%}")

# %% [markdown]
# **Truncation.** Codes near 0 are what the generator has seen most. Drawing them from the middle of the normal distribution
# alone gives pictures that look better and differ less.

# %% tags=["nbval-ignore-output"]
cuts = {"all of N(0,1)": None, "truncation 1": 1.0, "truncation 0.5": 0.5}
some = torch.eye(C)[shown]
rows = {name: generate(gan, some, draw(gan, len(some), generator(seed, "cut"), t)) for name, t in cuts.items()}
fig = viz.image_rows(rows, [names[c] for c in shown], size=0.95)
viz.save(fig, "fig_s3gan_4_truncation", f"BIGGAN, truncated codes. {DATA}, preset {preset}, seed {seed}.", preset)

# %% [markdown]
# A classifier that knows the real things, and that took no part in any training here, is the judge of what they show:

# %% tags=["nbval-ignore-output"]
judge = judge_of(spec)
for name, t in cuts.items():
    right = label_quality.class_agreement(gan, judge, 4, generator(seed, "cut", name), t).mean()
    spread = generate(gan, house, draw(gan, 64, generator(seed, "cut"), t)).std(0).mean()
    print(f"{name:15} the judge finds the class {right:.1%}, standard deviation inside a class {spread:.3f}")

# %% [markdown]
# ## A task that needs no labels
#
# Turn a picture and ask by how much. The hope: whoever can tell has to know what a house or a fish looks like, and nobody had to
# write a label (*self-supervision*). Watch a fresh network learn it; whether it knows houses comes after.

# %% tags=["nbval-ignore-output"]
STEPS = 4 if preset == "smoke" else 60
e = presets.experiment("rotation", DATA, preset, seed)
fresh, objective = runs.build(e), LabellingObjective(e.loss, None)
pool = pictures(train_set, range(min(1000, len(train_set))))
told = {"fresh": label_quality.turns_told(fresh.E, held)}

# %% tags=["nbval-ignore-output"]
optimizer = torch.optim.Adam(fresh.parameters(), e.train.lr_g)
for step in range(STEPS):
    rng = generator(seed, "live", step)
    batch = {"image": pool[torch.randint(len(pool), (e.train.batch,), generator=rng)]}
    terms, _ = objective.generator(fresh, batch, Noise(rng), 0.0)
    optimizer.zero_grad()
    terms["rotation"].backward()
    optimizer.step()
print(f"cross entropy after {STEPS} steps {terms['rotation']:.2f}; of a guess {torch.tensor(4.0).log():.2f}")

# %% [markdown]
# Before, after those steps, and trained to the end (with all pictures):

# %% tags=["nbval-ignore-output"]
told[f"after {STEPS} steps"] = label_quality.turns_told(fresh.E, held)
told["trained"] = label_quality.turns_told(networks["rotation"].E, held)
TURNS = ("0°", "90°", "180°", "270°")
turns = pd.DataFrame([label_quality.turns_right(said) for said in told.values()], list(told), TURNS)
turns["all"] = turns.mean(1)
print(f"share told rightly of {len(held)} held-out pictures, each turned four ways\n{turns.round(3)}")

# %% tags=["nbval-ignore-output"]
said = told["trained"][:, :8]
wrong = (said != torch.arange(4)[:, None]).flatten().tolist()
fig = viz.captioned(turned(held[:8]), [f"says {TURNS[i]}" for i in said.flatten()], 8, size=0.85, marked=wrong)
caption = f"Turned counter-clockwise, a row each; what it says (red: wrong). Held-out {DATA}, preset {preset}, seed {seed}."
viz.save(fig, "fig_s3gan_5_turns", caption, preset)
print(f"of these {len(wrong)} pictures {sum(wrong)} wrong")

# %% [markdown]
# ## Classes without a name
#
# The rotation network has a representation of each picture. Pictures near each other there may be alike: k-means makes
# clusters of them, and a GAN may take a cluster for a class. These are the clusters that CLUSTERING was trained with.

# %% tags=["nbval-ignore-output"]
clustering = networks["clustering"]
K = clustering.schedule.C
clustered = labels_for(clustering.experiment, train_set, K, networks["rotation"]).argmax(1)
size = torch.bincount(clustered, minlength=K)
print(f"{K} clusters of {int(size.min())} to {int(size.max())} pictures, purity {label_quality.purity(clustered, truth):.3f}")

# %% tags=["nbval-ignore-output"]
top, main = label_quality.confusion(clustered, truth, K, C).max(1)
order = [k for k in (top / size.clamp(min=1)).argsort(descending=True).tolist() if size[k] >= 4]
chosen = [order[i * (len(order) - 1) // 5] for i in range(6)]
rows = {f"{k}: {names[main[k]]} {top[k] / size[k]:.0%}": pictures(train_set, (clustered == k).nonzero()[:12, 0]) for k in chosen}

# %% tags=["nbval-ignore-output"]
fig = viz.image_rows(rows, size=0.75)
caption = f"Clusters (rows) with their commonest class, purest to least pure. {DATA}, preset {preset}, seed {seed}."
viz.save(fig, "fig_s3gan_6_clusters", caption, preset)
print({name: f"{len(images)} of {size[k]}" for k, (name, images) in zip(chosen, rows.items(), strict=True)})

# %% [markdown]
# Look along the rows: is a cluster a thing, a colour, a pose? Two numbers say how much clusters and true classes share. *Purity*
# is the share of pictures whose class is the commonest of their cluster. *Normalised mutual information* (NMI) is what one knows
# of the class when told the cluster. Both grow with k whatever the clusters are: a cluster of one picture is pure. So clusters
# of the same sizes, shuffled, stand beside, and what counts is the distance from them.

# %% tags=["nbval-ignore-output"]
features, _ = label_sources.read(networks["rotation"], train_set)
ks = [C // 4, C // 2, C, 2 * C, 4 * C]
by_k = label_quality.sweep(features, truth, ks, seed)
caption = f"Clusters of the rotation network's representation against the true classes. {DATA}, preset {preset}, seed {seed}."
results.save_table(by_k.round(3), caption, "table_s3gan_clusters", preset)
print(by_k.round(3).to_string())

# %% tags=["nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(4.6, 2.6))
for score, color in (("purity", "#3566a8"), ("NMI", "#d1603d")):
    by_k[score].plot(ax=ax, style="o-", color=color, markersize=4, logx=True)
    by_k[f"{score}, shuffled"].plot(ax=ax, style="o--", color=color, markersize=3, alpha=0.5, logx=True)
ax.set_xticks(ks, [str(k) for k in ks])
ax.set_xticks([], minor=True)
ax.set(xlabel=f"clusters k (true classes: {C})", ylim=(0, 1.4 * by_k[["purity", "NMI"]].max().max()))
ax.legend(fontsize=8, ncols=2, loc="upper left")
viz.save(fig, "fig_s3gan_7_sweep", caption, preset)
print(f"k = {C}: NMI {by_k.loc[C, 'NMI']:.3f}, of shuffled clusters {by_k.loc[C, 'NMI, shuffled']:.3f}")

# %% [markdown]
# Is it the turning that puts classes into the clusters? The same k-means on pixels, on a network with random weights, and on one
# that has seen some labels:

# %% tags=["nbval-ignore-output"]
few = torch.utils.data.Subset(train_set, range(min(5000, len(train_set))))
spaces = {"pixels": pictures(few, range(len(few))).flatten(1), "rotations": features[: len(few)]}
spaces["random weights"] = label_sources.read(runs.build(e).eval(), few)[0]
spaces[f"{PERCENTS[-1]} % of the labels"] = label_sources.read(networks["labeller_20"], few)[0]
found = {name: label_quality.sweep(x, truth[: len(few)], [C], seed).loc[C] for name, x in spaces.items()}
of_space = pd.DataFrame(found).T[["purity", "NMI"]].astype(float)
print(of_space.round(3))
first, other = of_space.loc["rotations", "NMI"], of_space.loc["pixels", "NMI"]
print(f"NMI of rotations {first:.3f}, {'above' if first > other else 'not above'} that of pixels, {other:.3f}")

# %% [markdown]
# At `demo` the hope fails. The turns are told without a mistake, and yet the clusters of that network know no more of the classes
# than clusters of plain pixels: ground and light give up and down away, whatever stands there. Labels do put the classes in. A
# GAN may still gain from such clusters, as long as what is alike is together.
#
# ## Inferring labels
#
# With some labels the same network gets a second task: the class of the labelled pictures. Then it reads all the others.

# %% tags=["nbval-ignore-output"]
inferred = {}
for k in PERCENTS:
    gan_k = presets.experiment(f"s2gan_{k}", DATA, preset, seed)  # which would be trained with these labels
    inferred[k] = labels_for(gan_k, train_set, C, networks[f"labeller_{k}"]).argmax(1)
wrong_of = {k: (y != truth)[~known[k]].double().mean().item() for k, y in inferred.items()}
print({f"{k} %": f"{wrong:.1%} of the inferred labels are wrong" for k, wrong in wrong_of.items()})

# %% tags=["nbval-ignore-output"]
records = [r for r in results.of_runs(DATA, preset) if r.seed == seed and r.model in LABELLERS]
held_out = results.cells(records, LABELLERS, ["Top-1 error"])
printed = results.published("S3GAN_1903.02271", "table_3")
print("published for", printed["caption"])

# %% tags=["nbval-ignore-output"]
errors = looked_at[["labels"]].copy()
errors["top-1 error, held out (%)"] = [str(held_out[f"labeller_{k}", "Top-1 error"]) for k in PERCENTS]
errors["inferred labels that are wrong (%)"] = [results.significant(100 * wrong) for wrong in wrong_of.values()]
errors["published (ImageNet)"] = [results.published_cell(printed, "TOP-1 ERROR", f"{k}%") for k in PERCENTS]
caption = f"What the labellers get wrong. {DATA}, preset {preset}, seed {seed}; brackets: 95 % bootstrap interval."
results.save_table(errors, caption, "table_s3gan_labels", preset)
print(errors.to_string())

# %% [markdown]
# Which things are taken for which, among the training pictures whose label had to be inferred:

# %% tags=["nbval-ignore-output"]
k = PERCENTS[-1]
guess, unknown = inferred[k], ~known[k]
mistakes = label_quality.confusion(truth[unknown], guess[unknown], C, C)
share = mistakes / mistakes.sum(1, keepdim=True).clamp(min=1)
print(f"{int(unknown.sum())} inferred labels; right, mean over the classes: {share.diag().mean():.1%}")

# %% tags=["nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(5.6, 5.0))
viz.matrix(share, names, ax, rows="true class", columns="inferred class", label="share of the true class")
caption = f"Inferred labels of the training set, {k} % of the labels known. {DATA}, preset {preset}, seed {seed}."
viz.save(fig, "fig_s3gan_8_confusion", caption, preset)
ranked = share.diag().argsort(stable=True).tolist()
for what, some_classes in (("hardest", ranked[:3]), ("easiest", ranked[-3:])):
    print(f"{what}: " + ", ".join(f"{names[c]} {share[c, c]:.1%}" for c in some_classes))

# %% [markdown]
# The pairs that are confused most: left pictures of one class that were given the label of the other, right the other.


# %%
def up_to(n: int, where: torch.Tensor) -> torch.Tensor:
    """The first n training pictures of those, the rest blank."""
    found = [*pictures(train_set, where.nonzero()[:n, 0])]
    return torch.stack([*found, *[torch.ones(3, spec.height, spec.width)] * (n - len(found))])


# %% tags=["nbval-ignore-output"]
rows, pairs = {}, label_quality.most_confused(mistakes, 4)
for a, b in pairs:
    mistaken = unknown & (truth == a) & (guess == b)
    rows[f"{names[a]} → {names[b]}"] = torch.cat([up_to(5, mistaken), up_to(5, truth == b)])
    print(f"{share[a, b]:.1%} of {names[a]} are taken for {names[b]}; {share[b, a]:.1%} the other way round")

# %% tags=["nbval-ignore-output"]
fig = viz.image_rows(rows, [*["mistaken"] * 5, *["real"] * 5], size=0.85)
caption = f"Most confused: class → inferred label. {k} % of the labels, {DATA}, preset {preset}, seed {seed}."
viz.save(fig, "fig_s3gan_9_confused", caption, preset)
print("shown", tuple(torch.stack(list(rows.values())).shape))

# %% [markdown]
# ## Soft labels
#
# A labeller does not only choose, it says how probable each class is. S2GAN SOFT trains on that. How undecided is it, where it is
# right and where it is wrong?

# %% tags=["nbval-ignore-output"]
soft = labels_for(networks["s2gan_soft_20"].experiment, train_set, C, networks["labeller_20"])
entropy, right = torch.special.entr(soft).sum(1), guess == truth
both = {"inferred rightly": entropy[unknown & right], "wrongly": entropy[unknown & ~right]}
print("mean entropy:", {name: round(x.mean().item(), 3) for name, x in both.items()})

# %% tags=["nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(4.6, 2.3))
top = torch.tensor(float(C)).log().item()
ax.hist([x.numpy() for x in both.values()], 24, (0, top), stacked=True, label=list(both), color=["#3566a8", "#d1603d"])
ax.set(xlabel=f"entropy of the soft label (nats; at most {top:.2f})", ylabel="pictures")
ax.legend(loc="upper left")
caption = f"How undecided the labeller is, {k} % of the labels. {DATA}, preset {preset}, seed {seed}."
viz.save(fig, "fig_s3gan_10_entropy", caption, preset)
print(f"above half of the largest entropy: {(entropy[unknown] > top / 2).float().mean():.1%} of the pictures")

# %% [markdown]
# Above any pictures, below the most doubtful ones:

# %% tags=["nbval-ignore-output"]
doubtful = torch.where(unknown, entropy, -1).argsort(descending=True)[:7]
looked = torch.cat([unknown.nonzero()[:7, 0], doubtful])
p, likeliest = soft[looked].topk(3)
texts = ["\n".join(f"{names[c]} {v:.2f}" for c, v in zip(cs, vs, strict=True)) for cs, vs in zip(likeliest, p, strict=True)]
print(f"probability of the likeliest class: {p[:7, 0].mean():.2f} at the top, {p[7:, 0].mean():.2f} at the bottom")

# %% tags=["nbval-ignore-output"]
fig = viz.captioned(pictures(train_set, looked), texts, 7, size=1.1, marked=(~right[looked]).tolist())
caption = f"The three likeliest classes (red: wrong); bottom: the most doubtful. {DATA}, preset {preset}, seed {seed}."
viz.save(fig, "fig_s3gan_11_soft", caption, preset)
print(f"wrong: {int((~right[looked[:7]]).sum())} of the upper, {int((~right[looked[7:]]).sum())} of the lower row")

# %% [markdown]
# What does a network make of a soft label? Embedding and projection are linear: it becomes the mixture of its classes' vectors.
# At a fake, though, the label is drawn, and always one class. So D meets blends with real pictures alone, and can tell real
# from fake by that.

# %%
softly, y = networks["s2gan_soft_20"], soft[doubtful]
with torch.inference_mode():
    for what, linear in (("G's embedding", softly.G.embed), ("D's projection", softly.D.projection)):
        mixture = y @ linear(torch.eye(C))  # (N,d)
        print(f"{what} of a soft label is the mixture of its classes', match:", torch.allclose(linear(y), mixture, atol=1e-4))
drawn = draw_classes(softly.prior, 64, generator(seed, "drawn"))
print("the label of a fake is one class, match:", bool((drawn.max(1).values == 1).all() and (drawn.sum(1) == 1).all()))

# %% tags=["nbval-ignore-output"]
of_label = {"soft": y, "one class": one_hot(y.argmax(1), C)}
with torch.inference_mode():
    length = {name: softly.D.projection(label).norm(dim=1).mean().item() for name, label in of_label.items()}
print("mean length of the projected label of doubtful pictures:", {name: round(v, 3) for name, v in length.items()})

# %% [markdown]
# A mixture of vectors that point different ways is short: in doubt, D's logit depends less on the label.
#
# ## What the label buys
#
# The same networks, the same steps; what differs is where the labels came from.

# %% tags=["nbval-ignore-output"]
rows = {"real": held[:10]}
for model in ("single_label", "clustering", "s3gan_20", "biggan"):
    net, rng = networks[model], generator(seed, "samples")
    rows[MODELS[model].title] = generate(net, draw_classes(net.prior, 10, rng), draw(net, 10, rng))

# %% tags=["nbval-ignore-output"]
fig = viz.image_rows(rows, size=0.9)
viz.save(fig, "fig_s3gan_12_samples", f"Samples of classes that were drawn. {DATA}, preset {preset}, seed {seed}.", preset)
for title, images in rows.items():
    spread, detail = images.std(0).mean(), images.diff(dim=-1).abs().mean()
    print(f"{title:18} standard deviation over the pictures {spread:.3f}, detail {detail:.3f}")

# %% [markdown]
# Class by class: both were asked for the same things, with the same codes.

# %% tags=["nbval-ignore-output"]
n, codes = 5, draw(gan, 5 * len(shown), generator(seed, "by class"))
asked = torch.eye(C)[shown].repeat_interleave(n, 0)
made = {model: generate(networks[model], asked, codes) for model in ("biggan", "s3gan_20")}
for model, images in made.items():
    found = judge.probabilities(images).argmax(1).cpu() == asked.argmax(1)
    print(f"{MODELS[model].title:12} the judge finds the class in {int(found.sum())} of these {len(found)} pictures")

# %% tags=["nbval-ignore-output"]
sheet = torch.cat([images.unflatten(0, (len(shown), n)) for images in made.values()], dim=1)
fig = viz.image_rows({names[c]: row for c, row in zip(shown, sheet, strict=True)}, [*["BIGGAN"] * n, *["S3GAN"] * n], size=0.85)
caption = f"BIGGAN with all labels and {MODELS['s3gan_20'].title} of them. {DATA}, preset {preset}, seed {seed}."
viz.save(fig, "fig_s3gan_13_classes", caption, preset)
print("shown", tuple(sheet.shape))

# %% [markdown]
# From code to code at one class, and from class to class at one code. No picture between two classes was ever asked for in
# training.

# %% tags=["nbval-ignore-output"]
t, codes, one = torch.linspace(0, 1, 9), draw(gan, 3, generator(seed, "between")), torch.eye(C)[:, None]  # one[c] is (1,C)
rows = {}
for name in ("house", "fish"):
    rows[f"{name}, two codes"] = generate(gan, one[names.index(name)], sample.interpolate(gan, codes[:1], codes[1:2], t))
for a, b in (("house", "lighthouse"), ("fish", "bird"), ("mug", "teapot")):
    y = sample.interpolate(gan, one[names.index(a)], one[names.index(b)], t)
    rows[f"{a} to {b}"] = generate(gan, y, codes[2:])

# %% tags=["nbval-ignore-output"]
fig = viz.image_rows(rows, size=0.85)
viz.save(fig, "fig_s3gan_14_between", f"BIGGAN between codes and between classes. {DATA}, preset {preset}, seed {seed}.", preset)
for what, images in rows.items():
    steps = images.diff(dim=0).abs().mean((1, 2, 3))
    print(f"{what:20} mean change from picture to picture {steps.mean():.3f}, largest {steps.max():.3f}")

# %% [markdown]
# Does one get what one asks for? The judge looks at samples of every class: *class agreement*. It sees whether the thing is
# there, not whether the picture is good; FID, which does, is in notebook 15. The standard error is of the sampling alone: it says
# nothing of how another training would have gone.

# %% tags=["nbval-ignore-output"]
n = 4 if preset == "smoke" else 20
judged = ("biggan_only_20", "s2gan_soft_20", "s2gan_co_20", "s2gan_20", "s3gan_20", "biggan")
agreement = {m: label_quality.class_agreement(networks[m], judge, n, generator(seed, "agreement")) for m in judged}
of_real = (judge.probabilities(held).argmax(1).cpu() == held_truth).double().mean().item()
print(f"the judge is right about {of_real:.1%} of {len(held)} real held-out pictures; a guess about {1 / C:.1%}")

# %% tags=["nbval-ignore-output"]
bought = pd.DataFrame(index=[MODELS[m].title for m in judged])
bought["class agreement (%)"] = [100 * a.mean().item() for a in agreement.values()]
bought["standard error"] = [100 * ((a * (1 - a)).mean() / (n * C)).sqrt().item() for a in agreement.values()]
bought["classes never found"] = [int((a == 0).sum()) for a in agreement.values()]
caption = f"How often a judge finds the class asked for, {n} samples of each; standard error of the sampling, of one training. "
caption += f"{DATA}, preset {preset}, seed {seed}."
results.save_table(bought.round(1), caption, "table_s3gan_agreement", preset)
print(bought.round(1).to_string())

# %% [markdown]
# Do wrong labels show? If many inferred labels of a class are wrong, does the generator paint other things under its name? Then
# what share of a class's labels is right, and how often the judge finds the class, would rise together over the classes.

# %% tags=["nbval-ignore-output"]
taught = label_quality.confusion(guess, truth, C, C)
pure = taught.diag() / taught.sum(1).clamp(min=1)
for model in ("s2gan_20", "s3gan_20"):
    r = round(torch.corrcoef(torch.stack([pure, agreement[model].float()]))[0, 1].item(), 2) + 0.0  # no "-0.00"
    print(f"{MODELS[model].title}: correlation, over {C} classes, of right labels and class agreement {r:.2f}")
print(f"without any connection it is below {2 / C**0.5:.2f} in size, 19 times of 20")

# %% [markdown]
# Here it does not show, which over so few classes is no proof that it is not so.
#
# ## Summary
#
# How few labels will do, and who gives the rest? By class agreement, of one training each at `demo`: with a fifth of the labels a
# GAN does somewhat worse than the one that has all. Whether the rest of the pictures is dropped (BIGGAN-20%) or labelled by a
# network (S2GAN, S3GAN) makes no difference that could be told from chance. Soft labels, and labels that D has to guess (CO), do
# much worse. Clusters without any label are hardly classes. What FID says, over several seeds, is in notebook 15.

# %% tags=["nbval-ignore-output"]
print(f"turns told rightly: {turns.loc['trained', 'all']:.1%} (a guess: {1 / 4:.1%})")
for space, scores in of_space.iterrows():
    print(f"clusters of {space}, k = {C}: purity {scores['purity']:.3f}, NMI {scores['NMI']:.3f}")
for k in PERCENTS:
    print(f"{k:2} % of the labels: {wrong_of[k]:.1%} of the inferred ones are wrong")
for title, row in bought.iterrows():
    print(f"class agreement, {title}: {row['class agreement (%)']:.1f} %, standard error {row['standard error']:.1f}")
print(f"class agreement, real pictures: {of_real:.1%}")
