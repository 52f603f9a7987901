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
# # 11 · From a classifier to GauGAN: the story for a newcomer
#
# **Question.** How does a network paint a street from a drawing in flat colours, and who tells it that the painting is good?
#
# | needs | |
# |---|---|
# | time | a minute, most of it four small GANs trained before your eyes |
# | memory | 1 GB |
# | device | CPU |
#
# **You will see** pictures grow out of small grids, why "as close as possible" gives fog, two networks that play against
# each other and how that goes wrong, what a discriminator looks at, and a label map being repainted. Next: notebook 12,
# the paper behind it.

# %% tags=["nbval-ignore-output"]
import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from smislib import data, presets, runs, toy, viz
from smislib.losses import feature_matching
from smislib.models.discriminators import MultiscaleDiscriminator
from smislib.reproduce import ready
from smislib.sample import generate, generator

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## A classifier shrinks, a generator grows
#
# A classifier turns a picture into a few numbers: convolutions of stride 2 halve the grid again and again, until only "what"
# is left of "what and where". A generator runs the other way. Its tool is the **transposed convolution**: each cell of the
# small grid stamps a kernel onto the large one, and where stamps overlap they add up.

# %%
cell = torch.zeros(1, 1, 3, 3)
cell[..., 1, 1] = 1
stamp = torch.arange(1.0, 5).view(1, 1, 2, 2)
print("2x2 kernel, stride 2, one cell of a 3x3 grid:", tuple(F.conv_transpose2d(cell, stamp, stride=2).shape[2:]))
print(F.conv_transpose2d(cell, stamp, stride=2)[0, 0].int())
down = F.conv2d(torch.ones(1, 1, 6, 6), torch.ones(1, 1, 2, 2), stride=2)
print("and the way down, 6x6 ->", tuple(down.shape[2:]))

# %% [markdown]
# If the kernel is not a multiple of the stride, some cells get more stamps than others: the **checkerboard** of many early
# GANs. Counted, with a kernel of ones:


# %%
def stamps(kernel: int) -> torch.Tensor:
    """How many stamps each cell of the large grid gets, stride 2, borders cut off."""
    ones = torch.ones(1, 1, 12, 12)
    return F.conv_transpose2d(ones, torch.ones(1, 1, kernel, kernel), stride=2)[0, 0, 4:-4, 4:-4]


resized = F.conv2d(F.interpolate(torch.ones(1, 1, 12, 12), scale_factor=2), torch.ones(1, 1, 3, 3))[0, 0, 4:-4, 4:-4]
counts = {f"kernel {k}, stride 2": stamps(k) for k in (2, 3, 4, 5)} | {"resize, then kernel 3": resized}
even = {name: bool((grid == grid[0, 0]).all()) for name, grid in counts.items()}
print(pd.DataFrame({"stamps": {k: sorted(set(g.flatten().int().tolist())) for k, g in counts.items()}, "even": even}))

# %% tags=["nbval-ignore-output"]
fig, axes = plt.subplots(1, len(counts), figsize=(8.4, 1.7))
for ax, (name, grid) in zip(axes, counts.items(), strict=True):
    ax.imshow(grid[:12, :12] / grid.max(), cmap="magma", vmin=0, vmax=1)
    ax.set_title(name, fontsize=8)
    ax.set_axis_off()
viz.save(fig, "fig_gaugan_1_checkerboard", "Stamps that each cell gets, bright: the most. The same at any preset.", preset)

# %% [markdown]
# pix2pixHD has kernels of 3 with stride 2; SPADE's answer is the last panel: resize by nearest, then convolve.
#
# ## "As close as possible" gives fog
#
# What should the generator be told? Its output has no single right answer: a coat may be red or green. Whoever minimises the
# distance to *all* right answers paints their mean (least squares) or their median (least absolute values).

# %%
spec = presets.data_spec("mannequins", preset)
test = data.open_split(spec, "test")
images = data.collate([test[i] for i in range(min(64, len(test)))])["image"]
answers = {"mean": images.mean(0), "median": images.median(0).values}
print("images", tuple(images.shape))


# %%
def detail(pictures: torch.Tensor) -> float:
    """Mean absolute difference of neighbouring pixels."""
    return pictures.diff(dim=-1).abs().mean().item()


contrast = {"a real image": detail(images)} | {name: detail(answer) for name, answer in answers.items()}
print("the fog has less detail, match:", max(contrast["mean"], contrast["median"]) < contrast["a real image"])

# %% tags=["nbval-ignore-output"]
titles = [*(f"answer {k + 1}" for k in range(6)), f"mean of {len(images)}", "median"]
fig = viz.image_rows({"": torch.stack([*images[:6], *answers.values()])}, titles, size=1.05)
caption = f"What least squares and least absolute values would paint; mannequins, preset {preset}, renderer seed {spec.seed}."
viz.save(fig, "fig_gaugan_2_fog", caption, preset)
print({name: round(value, 3) for name, value in contrast.items()})

# %% [markdown]
# ## Two players
#
# So let a second network judge: the **discriminator** D sees real pictures and fakes and says, as a number (a *logit*), how
# real each looks. The **generator** G is trained to raise that number for its fakes. That is a GAN (Goodfellow et al. 2014).
# D is a loss that learns.
#
# Which function of the logit? Four are in use. Left what G minimises, right how hard it is pushed. A fake that D sees
# through stands at the left, and there the original **minimax** loss is flat: the worse the fake, the less G learns.
# **Least squares** (LSGAN) push hardest there; pix2pixHD has it. The **hinge**, SPADE's, pushes everywhere alike.

# %%
logit = torch.linspace(-6, 4, 201, requires_grad=True)
losses, slopes = {}, {}
for name, (_, g_loss) in toy.OBJECTIVES.items():
    each = torch.stack([g_loss(value) for value in logit[:, None]])
    slopes[name] = torch.autograd.grad(each.sum(), logit)[0]
    losses[name] = each.detach()
at_left = {name: round(slope[0].item(), 3) for name, slope in slopes.items()}
print("slope at logit -6:", at_left)

# %% tags=["nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(8.2, 2.5))
for name in toy.OBJECTIVES:
    axes[0].plot(logit.detach(), losses[name], label=name)
    axes[1].plot(logit.detach(), slopes[name].abs(), label=name)
axes[0].set(xlabel="D's logit of a fake", ylabel="loss of G", ylim=(-6, 8))
axes[1].set(xlabel="D's logit of a fake", ylabel="|slope|", ylim=(0, 4))
axes[1].legend()
viz.save(
    fig,
    "fig_gaugan_3_losses",
    "What G minimises, and its slope. Real-looking fakes are at the right. The same at any preset.",
    preset,
)

# %% [markdown]
# D has losses of its own (minimax and non-saturating share one, the cross-entropy). How hard does a real picture push D, by
# the logit that it gets? Cross-entropy never quite lets D rest, least squares even push back what looks too real; the hinge
# stops caring from 1 on.

# %%
points = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0], requires_grad=True)
push = {}
for name in ("minimax", "lsgan", "hinge"):
    d_loss = toy.OBJECTIVES[name][0]
    push[name] = torch.autograd.grad(len(points) * d_loss(points, torch.zeros(1)), points)[0].numpy()
print(pd.DataFrame(push, index=pd.Index(points.int().tolist(), name="logit of a real")).round(3))

# %% [markdown]
# ## Mode collapse, live
#
# Nothing in this game asks G to paint *everything*. If one picture fools D, G may paint that one for ever, or until D has
# noticed, and then the next one: **mode collapse**. It needs no pictures to be seen. The real data here are points around
# eight centres on a ring; G makes points from noise, and we count how many of the eight it has found.
#
# The usual warning: collapse threatens when G runs ahead of D. Does it? Each loss is played three times: with G's learning rate
# four times D's, with equal ones, and with D's four times G's, which is how SPADE is trained.

# %% tags=["nbval-ignore-output"]
STEPS = 60 if preset == "smoke" else 800
SHOWN = tuple(STEPS * k // 8 for k in (1, 2, 4, 6))
PACES = {"G ahead": (4e-3, 1e-3), "equal": (1e-3, 1e-3), "D ahead": (1e-3, 4e-3)}
games = {
    (name, pace): toy.play(name, steps=STEPS, seed=seed, lr_g=lr_g, lr_d=lr_d, shown=SHOWN)
    for name in toy.OBJECTIVES
    for pace, (lr_g, lr_d) in PACES.items()
}
modes = {key: toy.covered(game.last) for key, game in games.items()}
print(f"modes found, of {toy.MODES}, and the share of points near one, after {STEPS} steps")
print(pd.Series({key: f"{n} ({near:.0%})" for key, (n, near) in modes.items()}).unstack()[list(PACES)])

# %% tags=["nbval-ignore-output"]
real = toy.ring(1000, generator(seed, "real"))


def scatter(ax: plt.Axes, points: torch.Tensor, colour: str = "#d1603d", reach: float = 3) -> None:
    """Points over the eight centres, up to `reach` from the middle."""
    ax.scatter(*points.T, s=2, alpha=0.35, color=colour)
    ax.plot(*toy.centres().T, "+", color="0.2", markersize=4)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")


fig, axes = plt.subplots(len(PACES), len(toy.OBJECTIVES) + 1, figsize=(8.4, 5.1))
for row, pace in zip(axes, PACES, strict=True):
    scatter(row[0], real, "#5b6770")
    for ax, name in zip(row[1:], toy.OBJECTIVES, strict=True):
        scatter(ax, games[name, pace].last)
    row[0].set_ylabel(pace)
for ax, title in zip(axes[0], ["real", *toy.OBJECTIVES], strict=True):
    ax.set_title(title)
viz.save(fig, "fig_gaugan_4_modes", f"1,000 points after {STEPS} steps, equal networks; preset {preset}, seed {seed}.", preset)

# %% [markdown]
# At `demo` the warning holds for one loss of four: with G ahead the hinge collapses, and the others find all modes. With D ahead
# each loss misses some. So neither pace is the safe one in this game, and a ring of points says little about pictures.
#
# The way there, for the loss and the pace that found least:

# %% tags=["nbval-ignore-output"]
worst = min(modes, key=lambda key: modes[key])
way = games[worst].fakes
reach = max(3, *(1.05 * points.abs().max().item() for points in way.values()))
fig, axes = plt.subplots(1, len(way), figsize=(8.4, 1.7))
for ax, (step, points) in zip(axes, way.items(), strict=True):
    scatter(ax, points, reach=reach)
    ax.set_title(f"step {step}: {toy.covered(points)[0]}")
viz.save(fig, "fig_gaugan_5_collapse", f"{', '.join(worst)}: modes found; preset {preset}, seed {seed}.", preset)
print(worst, {step: toy.covered(points)[0] for step, points in way.items()})

# %% [markdown]
# ## What D looks at: patches, at several scales
#
# D for pictures does not give one number but a map of them, each for a patch (PatchGAN). And there are several such
# networks, each on a picture half as large as the one before: the coarse one sees whether the whole holds together, the
# fine one whether the texture is right (pix2pixHD, SPADE).


# %%
def field(patch: nn.Module) -> int:
    """Side of the patch that one logit sees, in pixels of this network's own input."""
    side, step = 1, 1
    for conv in (m for m in patch.modules() if isinstance(m, nn.Conv2d)):
        side, step = side + (conv.kernel_size[0] - 1) * step, step * conv.stride[0]
    return side


D, picture = MultiscaleDiscriminator(in_channels=3, width=64, layers=4, scales=3), torch.zeros(1, 3, 256, 256)
with torch.no_grad():
    logits = [scale[-1].shape[2:] for scale in D(picture)]
for i, shape in enumerate(logits):
    print(f"scale {i}: {tuple(shape)} logits, each of {field(D[i])} pixels of a picture {256 // 2**i} wide")
print("the famous 70x70 patch, match:", field(D[0]) == 70)

# %% [markdown]
# ## Feature matching: a teacher that knows the answer
#
# Where each label map comes with a real picture, D has more to tell than its verdict. **Feature matching** compares what D's
# layers see in the fake with what they see in the real picture. Here is a trained D (that of SPADE on `rooms`), asked about
# spoilt copies of a real picture. Beside it, the plain distance of pixels.

# %% tags=["nbval-ignore-output"]
nets = {name: runs.load(ready(presets.experiment("spade", name, preset, seed)).weights) for name in ("rooms", "streets")}
batch = presets.batch(nets["rooms"], "test", 8)
image, labels = batch["image"], batch["labels"]
noise = torch.randn(image.shape, generator=generator(seed, "noise"))
spoilt = {
    "itself": image,
    "brighter": image + 0.15,
    "moved by 1 pixel": image.roll(1, -1),
    "blurred": F.avg_pool2d(image, 5, 1, 2, count_include_pad=False),
    "noisy": image + 0.2 * noise,
    "SPADE's fake": generate(nets["rooms"], labels, None),
    "another room": image.roll(1, 0),
}


# %%
@torch.no_grad()
def seen(pictures: torch.Tensor) -> list[list[torch.Tensor]]:
    """D's features of pictures with these labels, by scale and layer."""
    return nets["rooms"].D(torch.cat([labels, pictures], dim=1))


table = pd.DataFrame(
    {
        "pixels apart": {name: (copy - image).abs().mean().item() for name, copy in spoilt.items()},
        "feature matching": {name: feature_matching(seen(image), seen(copy)).item() for name, copy in spoilt.items()},
    }
)
print("nothing to tell of the picture itself, match:", table.loc["itself"].eq(0).all())

# %% tags=["nbval-ignore-output"]
fig = viz.image_rows({name: copy.clamp(-1, 1)[:6] for name, copy in spoilt.items()}, size=1.0)
viz.save(fig, "fig_gaugan_6_spoilt", f"Spoilt copies of real rooms; preset {preset}, seed {seed}.", preset)
table["feature matching / pixels"] = table["feature matching"] / table["pixels apart"]
print(table.round(3))

# %% [markdown]
# Per pixel of distance, D minds some faults more than others: that is what it adds to a plain distance.
#
# ## Painting with labels
#
# GauGAN is a GAN whose G and D both see a **label map**: what is to be where. Notebook 12 shows why it must be said at every
# norm of G and not once (SPADE). What one can do with it: repaint the map, and the picture follows.

# %%
net, known = nets["streets"], data.classes(nets["streets"].experiment.data)
drawing = presets.batch(net, "test", 4)


def repainted(changes: dict[str, str]) -> dict:
    """The drawings with every cell of one class given to another."""
    old = drawing["label_map"]
    new = old.clone()
    for a, b in changes.items():
        new[old == known.names.index(a)] = known.names.index(b)
    return {**drawing, "label_map": new}


# %% tags=["nbval-ignore-output"]
ideas = {
    "as drawn": {},
    "houses to trees": {"building": "vegetation"},
    "road to meadow": {"road": "terrain", "sidewalk": "terrain"},
    "no sky": {"sky": "building"},
}
rows = {}
for idea, changes in ideas.items():
    new = repainted(changes)
    made = generate(net, data.labels(new, known), None)
    rows[idea] = torch.stack([viz.colour(new["label_map"], known), made], 1).flatten(0, 1)[:6]
fig = viz.image_rows(rows, ["label map", "SPADE"] * 3, size=1.45)
viz.save(fig, "fig_gaugan_7_painting", f"SPADE on streets; preset {preset}, seed {seed}; held-out label maps.", preset)
moved = {idea: (row[1::2] - rows["as drawn"][1::2]).abs().mean().item() for idea, row in rows.items()}
print("mean change of the picture:", {idea: round(value, 3) for idea, value in moved.items()})

# %% [markdown]
# ## Summary

# %% tags=["nbval-ignore-output"]
print("slope of G's loss where D is sure of the fake:", at_left)
for pace in PACES:
    print(f"modes found of {toy.MODES}, {pace}:", {name: modes[name, pace][0] for name in toy.OBJECTIVES})
print("feature matching:", table["feature matching"].round(2).to_dict())
