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
# # 04 · Training
#
# **Question.** What does GroupDNet minimise, what does a step cost, and what does it learn when?
#
# | needs | |
# |---|---|
# | time | half a minute with a trained run in the store; else the time to train it (at `demo` some minutes on one core) |
# | memory | 1 GB |
# | device | CPU or one GPU |
#
# **You will see** the four losses computed by hand and by the library, the learning rate, the curves, samples over time,
# reconstructions beside samples that were drawn from N(0,1), and a training that is stopped and resumed bit for bit.

# %% tags=["nbval-ignore-output"]
import os
import tempfile
from unittest import mock

import matplotlib.pyplot as plt
import pandas as pd
import torch
from torch.distributions import Normal, kl_divergence

from smislib import data, losses, presets, runs, viz
from smislib.reproduce import ready
from smislib.sample import Noise, class_slice, draw, generate, generator, reconstruct
from smislib.train import train

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## A batch and three players
#
# The losses first, on a real batch and on networks that have seen nothing yet. E reads the image class by class and gives
# a Gaussian; G turns labels and one sample of it into an image; D judges real and fake, at two scales.

# %%
experiment = presets.experiment("groupdnet", preset=preset, seed=seed)
classes = data.classes(experiment.data)
train_set = data.open_split(experiment.data, "train")
batch = data.collate([train_set[i] for i in range(experiment.train.batch)])
batch["labels"] = data.labels(batch, classes)
print({key: tuple(batch[key].shape) for key in ("image", "label_map", "labels")})

# %%
networks = runs.build(experiment).requires_grad_(False).eval()
mu, logvar = networks.E(batch["image"], batch["labels"])
fake = networks.G(batch["labels"], mu)
on_real, on_fake = (networks.D(torch.cat([batch["labels"], x], 1)) for x in (batch["image"], fake))
print("mu, logvar", tuple(mu.shape), "| fake", tuple(fake.shape), "| D:", len(on_real), "scales")


# %%
def compare(what: str, found: torch.Tensor, expected: torch.Tensor) -> None:
    """One line: what the library computes, what the formula says."""
    match = torch.allclose(found, expected, rtol=1e-4)
    print(f"{what}: we see {found:.4f}, expected {expected:.4f}, match: {match}")


# %% [markdown]
# ## The losses, one by one
#
# **Hinge.** D wants real logits above 1 and fake ones below −1, and cares no more once they are. G wants the fake logits
# high, without a bound. The library takes the mean of D's two parts.
#
# $$L_D = \tfrac12\left(\mathbb E\max(0, 1 - D(x)) + \mathbb E\max(0, 1 + D(\hat x))\right),\qquad L_G = -\mathbb E\,D(\hat x)$$

# %%
real_logits, fake_logits = on_real[0][-1], on_fake[0][-1]
by_hand = (torch.clamp(1 - real_logits, min=0).mean() + torch.clamp(1 + fake_logits, min=0).mean()) / 2
compare("hinge of D", losses.hinge_d(real_logits, fake_logits), by_hand)
compare("hinge of G", losses.hinge_g(fake_logits), -fake_logits.sum() / fake_logits.numel())

# %% [markdown]
# A logit costs D nothing where it is right by a margin of 1. G's loss has the same slope everywhere, so it keeps
# pulling.

# %%
t = torch.linspace(-3, 3, 121)
fig, ax = plt.subplots(figsize=(4.2, 2.4))
ax.plot(t, (1 - t).relu(), label="D on a real image")
ax.plot(t, (1 + t).relu(), label="D on a fake")
ax.plot(t, -t, "--", label="G on its fake")
ax.set(xlabel="logit", ylabel="loss")
ax.legend(fontsize=8, loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.2), columnspacing=1.2, handlelength=1.4)
viz.save(fig, "fig_04_hinge", "The hinge objective.", preset)
print("zero loss of D for real logits from", t[(1 - t) <= 0].min().item(), "and fake ones up to", t[(1 + t) <= 0].max().item())

# %% [markdown]
# **Feature matching.** The same D is a feature extractor: G should give it the features of the real image. L1 over every
# layer but the logits, summed over layers, mean over scales.

# %%
features = zip(on_real, on_fake, strict=True)
per_scale = [sum((f - r).abs().mean() for r, f in zip(rs[:-1], fs[:-1], strict=True)) for rs, fs in features]
compare("feature matching", losses.feature_matching(on_real, on_fake), sum(per_scale) / len(per_scale))

# %% [markdown]
# **Perceptual.** Also L1 between features, this time of a network that was trained once and is frozen: VGG19 in the paper,
# here at the small presets a network that ships with the library (notebook 90). D's instance norm cannot see the mean
# colour of a region; here the image itself counts as the first feature, and it can.

# %%
shipped = losses.perceptual_loss("embedded", torch.device("cpu"))
pairs = zip(shipped.features(fake), shipped.features(batch["image"]), strict=True)
parts = [w * (f - r).abs().mean() for w, (f, r) in zip(shipped.weights, pairs, strict=True)]
compare("perceptual", shipped(fake, batch["image"]), sum(parts))
compare("  of which the image itself", parts[0], (fake - batch["image"]).abs().mean())

# %% [markdown]
# **KL.** What E says about an image should look like N(0,1), so that codes drawn from N(0,1) mean something to G. Per image
# and in nats, summed over the code (equation 1 of the paper):
#
# $$L_{KL} = -\tfrac12 \sum_i \left(1 + \log\sigma_i^2 - \mu_i^2 - \sigma_i^2\right)$$

# %%
posterior, prior = Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0)
nats = kl_divergence(posterior, prior).flatten(1).sum(1)
compare("KL, against torch.distributions", losses.kl(mu, logvar), nats.mean())
compare("KL of N(0,1) itself", losses.kl(torch.zeros_like(mu), torch.zeros_like(mu)).abs(), torch.tensor(0.0))

# %% [markdown]
# A class that is not in the picture has nothing to say: its code is exactly N(0,1), its part of the KL exactly 0. (So it
# is where the code is a vector per class, the mean over the class's own cells, as at the small presets.)

# %%
c = classes.names.index("hair")
bald = batch["labels"].clone()
bald[:, c] = 0
own = class_slice(networks, c)
found = losses.kl(*(code[:, own] for code in networks.E(batch["image"], bald))).abs()
compare("KL of the hair's code, without hair", found, torch.tensor(0.0))

# %% [markdown]
# **Together.** The objective is what the loop calls: the weighted terms, and the fake that they are about. The weights
# are values of the experiment. That of the KL may rise from 0 over the first steps (`kl_warmup`, a share of them): at full
# price from the start, small parts lose their code before G has learnt to read it.

# %%
objective = losses.VaeGanObjective(experiment.loss, losses.perceptual_loss(experiment.loss.backbone, torch.device("cpu")))
terms, fake = objective.generator(networks, batch, Noise(generator(seed, "terms")), progress=1.0)
print("weights:", {k: getattr(experiment.loss, k) for k in ("feature", "perceptual", "kl", "kl_warmup")}, "| GAN: 1")
print("terms:  ", ", ".join(f"{name} {value:.3f}" for name, value in terms.items()))
compare("KL term", terms["kl"], experiment.loss.kl * nats.mean())

# %% [markdown]
# ## Two learning rates, one schedule
#
# D and G may have rates of their own (TTUR, the two time-scale update rule): as published, D learns faster and is to stay
# ahead. The small presets give both the same rate. Adam, constant at first, then linearly to zero.

# %%
spec = experiment.train
for name, rates in {f"preset {preset}": spec, "as published": presets.TRAIN["paper"]}.items():
    ahead = "the same rate" if rates.lr_d == rates.lr_g else f"D learns {rates.lr_d / rates.lr_g:g} times as fast"
    print(f"{name}: G {rates.lr_g}, D {rates.lr_d}, {ahead}; Adam({rates.beta1}, {rates.beta2})")
print(f"{spec.steps} steps of batch {spec.batch}; constant for the first {spec.constant:.0%}, then linear to zero")

# %% [markdown]
# From here on we need a trained run. If the store has none, the next cell trains it.

# %% tags=["nbval-ignore-output"]
run = ready(experiment, measure=False)
history = run.history()
print(f"{run.experiment.name}: {len(history)} log entries, {history[-1]['step']} steps")

# %%
logged = torch.tensor([entry["lr"] for entry in history], dtype=torch.float64)
steps = torch.tensor([entry["step"] for entry in history], dtype=torch.float64)
falling = (spec.steps - (steps - 1)) / (spec.steps * (1 - spec.constant))  # entry k is written after step k-1
print("logged rate as the formula says, match:", torch.allclose(logged, spec.lr_g * falling.clamp(max=1)))

# %%
fig, ax = plt.subplots(figsize=(4.2, 2.2))
ax.plot(steps, logged, label="G and E", drawstyle="steps-post", color="C0", linewidth=2.4)
ax.plot(steps, logged * spec.lr_d / spec.lr_g, "--", label="D", drawstyle="steps-post", color="C1")
ax.set(xlabel="step", ylabel="learning rate", ylim=(0, None))
ax.legend(fontsize=8, loc="lower left")
viz.save(fig, "fig_04_learning_rate", f"Learning rates of {run.experiment.name}.", preset)
print(f"first {logged[0]:.2e}, last {logged[-1]:.2e}")

# %% [markdown]
# ## What a step costs
#
# What part of its time a step gives to fetching the batch, to the step of G and E (both networks, D and the perceptual
# network forward and back), and to the step of D. Notebook 18 has more.

# %% tags=["nbval-ignore-output"]
share = run.shares()
print(", ".join(f"{part} {value:.0%}" for part, value in share.items()))

# %% [markdown]
# ## Curves
#
# A GAN's curves do not say how good the images are; they say whether the game is alive. D's hinge should settle between 0
# (D has won) and 1 (D is blind). The perceptual term should fall. Feature matching may stay where it is: the D that measures
# it learns, too. The KL says how much E tells about an image, times its weight, which itself may rise at first.

# %% tags=["nbval-ignore-output"]
fig, axes = plt.subplots(1, 3, figsize=(9.6, 2.5), gridspec_kw={"wspace": 0.28})
smooth = max(1, len(history) // 25)
for ax, shown in zip(axes, (["d_hinge", "g_gan"], ["g_feature", "g_perceptual"], ["g_kl"]), strict=True):
    viz.curves(history, shown, smooth, ax)
    ax.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
axes[0].set_ylabel("weighted term")
viz.save(fig, "fig_training_curves", f"Terms of {run.experiment.name}; strong: mean over {smooth} log entries.", preset)
last = pd.DataFrame(history[-smooth:]).filter(regex="^[gd]_").mean()
print(last.round(3).to_dict())

# %% [markdown]
# ## Samples over time
#
# On the way the loop saves what it sees: six held-out images, each encoded and rebuilt, and two drawn codes. Here are
# some of these sheets, read back: three images rebuilt, then the same three label maps with drawn codes.

# %% tags=["nbval-ignore-output"]
size = experiment.data.height, experiment.data.width
sheets = {int(path.stem.split("_")[1]): viz.read_grid(path, size) for path in sorted((run.folder / "samples").glob("*.png"))}
chosen = [list(sheets)[i] for i in torch.linspace(0, len(sheets) - 1, min(5, len(sheets))).round().int().tolist()]
first = sheets[chosen[0]]
rows = {
    f"{how} {i + 1}": torch.stack([*first[:2, i], *(sheets[step][row, i] for step in chosen)])
    for row, how in ((2, "rebuilt"), (3, "drawn"))
    for i in range(3)
}
print(len(sheets), "sheets; shown: steps", chosen)

# %% tags=["nbval-ignore-output"]
fig = viz.image_rows(rows, ["label map", "real", *(f"step {step}" for step in chosen)], size=1.0)
viz.save(fig, "fig_04_samples_over_time", f"{run.experiment.name}: the same held-out label maps during training.", preset)
made = torch.stack(list(rows.values()))[:, 2:]  # (6,steps,3,H,W)
moved = (made - made[:, -1:]).abs().mean((0, 2, 3, 4)).tolist()
print("mean |pixel - its last value|:", ", ".join(f"{step}: {m:.3f}" for step, m in zip(chosen, moved, strict=True)))

# %% [markdown]
# ## Reconstructions beside samples
#
# The test of the KL weight. A reconstruction uses the code that E found; a sample uses one from N(0,1). If E's codes do
# not fill N(0,1), G meets codes that it never saw, and samples look worse than reconstructions. So samples less clean than
# the reconstruction ask for a higher weight, colours lost in the reconstruction for a lower one. All ten images are held out.

# %%
networks = runs.load(run.weights)
test_set = data.open_split(experiment.data, "test")
shown = data.collate([test_set[i] for i in range(10)])
labels = data.labels(shown, classes)
rng = generator(seed, "grid")
rebuilt = reconstruct(networks, shown["image"], labels)
drawn = [generate(networks, labels, draw(networks, len(labels), rng)) for _ in range(3)]
print("labels", tuple(labels.shape), "->", 1 + len(drawn), "images each of", tuple(rebuilt.shape[1:]))

# %% tags=["nbval-ignore-output"]
rows = {"label map": viz.colour(shown["label_map"], classes), "real": shown["image"], "reconstruction": rebuilt}
rows |= {f"sample {i + 1}": images for i, images in enumerate(drawn)}
fig = viz.image_rows(rows)
caption = f"Held-out {experiment.data.name}, {run.experiment.model} at preset {preset}, seed {seed}. Samples: z ~ N(0,1)."
viz.save(fig, "fig_samples", caption, preset)
error = (rebuilt - shown["image"]).abs().mean()
print(f"{len(rows)} rows of {len(shown['image'])}; mean |reconstruction - real| {error:.3f} on a scale of 0..2")

# %% [markdown]
# Is every part's colour right? The mean colour of each part, rebuilt against real, over the ten images. A part that is off
# by as much as these colours spread could as well have any part's colour.


# %%
def part_means(images: torch.Tensor) -> torch.Tensor:
    """Mean RGB of each class that is there: (N*C present, 3)."""
    area = labels.sum((2, 3))
    means = torch.einsum("nihw,nchw->nci", images, labels) / area.clamp(min=1)[..., None]
    return means[area > 0]


# %% tags=["nbval-ignore-output"]
off = (part_means(rebuilt) - part_means(shown["image"])).abs().mean(1)
spread = (part_means(shown["image"]) - part_means(shown["image"]).mean(0)).abs().mean()
print(f"mean colour of a part is off by {off.mean():.3f} (worst of {len(off)}: {off.max():.3f}); colours spread by {spread:.3f}")
print(f"off by less than that spread: {(off < spread).sum()} of {len(off)} parts")

# %% [markdown]
# What the codes say: the KL of each class's code, in nats, mean over the ten images. A class of 0 nats tells nothing: its
# look is that of its neighbours in the network, or a mean.

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    code = networks.E(shown["image"], labels)
told = [losses.kl(*(part[:, class_slice(networks, c)] for part in code)).item() for c in range(len(classes))]
print("nats: " + ", ".join(f"{name} {n:.1f}" for name, n in zip(classes.names, told, strict=True)) + f"; in all {sum(told):.1f}")

# %% [markdown]
# ## Stop, and resume
#
# Batches and noise are functions of (seed, step), and a checkpoint holds networks and optimisers. So a run that was
# stopped and resumed must equal one that was not, to the last bit. Live, at `smoke`, in folders that vanish afterwards:
# the first training is stopped by Ctrl-C right after its second checkpoint.

# %%
tiny = presets.experiment("groupdnet", preset="smoke", seed=seed)
write, written = runs.Run.save_checkpoint, []


def stop_at_second(run: runs.Run, state: dict) -> None:
    """Write the checkpoint; the second one is followed by Ctrl-C."""
    write(run, state)
    written.append(state["step"])
    if len(written) == 2:
        raise KeyboardInterrupt


# %%
def final_state(folder: str) -> dict[str, torch.Tensor]:
    """Train in this folder, from wherever an earlier call stopped; the weights at the end."""
    with mock.patch.dict(os.environ, SMIS_HOME=folder):
        return runs.load(train(tiny, progress=False).weights).state_dict()


with tempfile.TemporaryDirectory() as stopped, tempfile.TemporaryDirectory() as straight:
    with mock.patch.object(runs.Run, "save_checkpoint", stop_at_second):
        try:
            final_state(stopped)
        except KeyboardInterrupt:
            print(f"stopped: checkpoints after steps {written} of {tiny.train.steps}")
    resumed, uninterrupted = final_state(stopped), final_state(straight)

# %%
equal = [torch.equal(resumed[key], uninterrupted[key]) for key in uninterrupted]
print(f"{sum(equal)} of {len(equal)} tensors bitwise equal, expected all, match: {all(equal)}")

# %% [markdown]
# ## Summary

# %% tags=["nbval-ignore-output"]
print(f"{run.experiment.name}: {spec.steps} steps, {spec.batch} images a step")
print(f"held-out reconstruction error {error:.3f} (0..2); a part's mean colour off by {off.mean():.3f}")
print(f"resume equal to the straight run: {all(equal)}")
