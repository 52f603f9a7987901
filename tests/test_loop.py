"""The loop between two log lines: the host waits for no device, and parts of a batch add up to it."""

import time

import pytest
import safetensors.torch
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from smislib import data, losses, presets, runs
from smislib import train as training
from smislib.models import MODELS
from smislib.sample import Noise, generator
from smislib.train import train

# One of every objective, norm and kind of network
FAMILIES = (
    "groupdnet", "groupdnet_unsynced", "groupdnet_groupnorm", "groupdnet_maps", "mulnet", "vspade", "spade", "spade_noise",
    "spade_concat", "pix2pixhd", "pix2pixhdpp", "bicyclegan", "dscgan", "pix2pix", "pix2pix_l1", "oasis", "oasis_perceptual",
    "oasis_patch", "s3gan_co_20", "biggan", "labeller_20",
)  # fmt: skip


@pytest.mark.parametrize("model", FAMILIES)
def test_no_objective_asks_the_device_for_a_value(model):
    """On torch's meta device there is no value to be had: `item`, `cpu`, `nonzero` and `if tensor:` all raise there."""
    e = presets.experiment(model, "tokens" if MODELS[model].whole else "streets", "smoke")
    with torch.device("meta"):
        networks = runs.build(e)
    N, C, size = 8, networks.schedule.C, (e.data.height, e.data.width)
    batch = {"image": torch.rand(N, 3, *size, device="meta")}
    batch["labels"] = torch.rand(N, getattr(networks.schedule, "label_channels", C), *size, device="meta")
    if MODELS[model].whole:
        batch |= {"labels": torch.rand(N, C, device="meta"), "labelled_image": batch["image"]}
    loss = losses.perceptual_loss(e.loss.backbone, torch.device("meta"))
    objective = MODELS[model].objective(e.loss, loss)
    if hasattr(objective, "prior"):
        objective.prior = torch.full((C,), 1 / C)  # what it asks for once, in its first step
    noise = Noise(generator(0))
    terms, fake = objective.generator(networks, batch, noise, 0.5)
    sum(terms.values()).backward()
    if networks.D:
        sum(objective.discriminator(networks, batch, training._detached(fake), noise).values()).backward()


def test_that_test_would_notice():
    for ask in (torch.Tensor.item, torch.Tensor.cpu, torch.Tensor.nonzero, torch.Tensor.tolist, bool):
        with pytest.raises((NotImplementedError, RuntimeError)):
            ask(torch.ones(1, device="meta"))


class Asked(TorchDispatchMode):
    """Operations that would wait for a device, and the step in which they come; not while `aside`."""

    WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "unique", "_unique2", "masked_select")

    def __init__(self):
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self.step, self.aside = -1, False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in self.WAITS and not self.aside:
            self.found.append((self.step, func.overloadpacket.__name__))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "model", ["pix2pix", "oasis"]
)  # without `class_view`, which on a CPU looks for the classes that are there
def test_between_two_log_lines_the_loop_asks_for_nothing(model, home, small, monkeypatch):
    """Left aside: the sampler and the check of label maps, which are on the host, and Adam's count of steps, likewise."""
    asked = Asked()
    on_device, update, factor = training._on_device, training._update, training._lr_factor

    def batches(*arguments):
        iterator = on_device(*arguments)
        while True:
            asked.aside = True
            batch = next(iterator, None)
            asked.aside = False
            if batch is None:
                return
            yield batch

    def updating(*arguments):
        asked.aside = True
        update(*arguments)
        asked.aside = False

    def at(step, *arguments):
        asked.step = step
        return factor(step, *arguments)

    for name, replacement in {"_on_device": batches, "_update": updating, "_lr_factor": at}.items():
        monkeypatch.setattr(training, name, replacement)
    experiment = small(model, **{"train.steps": 6, "train.log_every": 3, "train.checkpoint_every": 6, "train.standing": 0})
    with asked:
        train(experiment, accelerator="cpu", progress=False)
    assert {step for step, _ in asked.found} == {2, 5}, asked.found  # where it logs


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("model", ["groupdnet", "oasis", "pix2pix", "spade", "bicyclegan"])
def test_no_step_on_a_gpu_waits_for_it(model, home, small, monkeypatch):
    """torch itself raises where the host would wait, from the third step on until the one that logs."""
    factor = training._lr_factor

    def at(step, *arguments):
        torch.cuda.set_sync_debug_mode("error" if 2 <= step < 8 else "default")
        return factor(step, *arguments)

    monkeypatch.setattr(training, "_lr_factor", at)
    settings = {"train.steps": 9, "train.log_every": 9, "train.checkpoint_every": 9, "data.n_train": 16, "train.standing": 0}
    try:
        assert train(small(model, **settings), accelerator="cuda", progress=False).finished
    finally:
        torch.cuda.set_sync_debug_mode("default")


# --- parts of a batch -------------------------------------------------------------------------------------------------


def in_parts(small, model: str, parts: int) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    """Plain gradient descent: Adam's first steps make a step of size lr of a gradient that is all rounding."""
    settings = {"train.batch": 8, "train.steps": 3, "train.log_every": 1, "train.checkpoint_every": 3, "train.standing": 0}
    settings |= {"train.optimizer": "sgd", "train.lr_g": 1e-3, "train.lr_d": 1e-3, "train.constant": 1.0}
    run = train(small(model, **settings, **{"train.accumulate": parts}), accelerator="cpu", progress=False)
    return safetensors.torch.load_file(run.weights), run.history()


@pytest.mark.parametrize("model, allowed", [("pix2pix", 1e-6), ("pix2pixhd", 1e-5), ("groupdnet", None)])
def test_parts_of_a_batch_are_the_batch_where_there_is_no_batch_norm(model, allowed, home, small, monkeypatch):
    """pix2pixHD has spectral norm: each part moves its estimate of the largest singular value on by an iteration."""
    monkeypatch.setattr(training, "round", lambda value, digits: value, raising=False)  # all digits of the log
    (whole, log), (parts, log_of_parts) = (in_parts(small, model, n) for n in (1, 4))
    weight = max(
        float((whole[k] - parts[k]).abs().max()) for k in whole if not k.endswith(("_u", "_v", "running_mean", "running_var"))
    )
    loss = max(
        abs(a[k] - b[k]) / max(1, abs(a[k])) for a, b in zip(log, log_of_parts, strict=True) for k in a if k[:2] in ("g_", "d_")
    )
    print(f"{model}: weights {weight:.1e}, losses {loss:.1e}")
    if allowed:
        assert weight < allowed
        assert loss < 10 * allowed
    else:  # statistics of two images instead of eight
        assert loss > 1e-3


def test_the_loop_is_plain_descent_of_each_player_in_its_own_turn(home, small, monkeypatch):
    """By hand: G from the first part of the batch, then D from each, on that fake and on a new one; nobody else moves."""
    settings = {"train.batch": 2, "train.d_steps": 2, "train.steps": 3, "train.log_every": 1, "train.checkpoint_every": 3}
    settings |= {"train.optimizer": "sgd", "train.beta1": 0.0, "train.lr_g": 1e-3, "train.lr_d": 2e-3, "train.constant": 1.0}
    e = small("pix2pix", **settings, **{"train.standing": 0, "train.ema": 0.0, "train.reuse_fake": "true"})
    run = train(e, accelerator="cpu", progress=False)
    networks, objective = runs.build(e), MODELS["pix2pix"].objective(e.loss, None)
    train_set, classes, logged = data.open_split(e.data, "train"), data.classes(e.data), []

    def descend(player, terms, rate):
        for p, slope in zip(player.parameters(), torch.autograd.grad(sum(terms.values()), player.parameters()), strict=True):
            p.data -= rate * slope

    for step, indices in enumerate(data.loading.StepSampler(len(train_set), 4, e.seed, range(3))):
        noise, batch = Noise(generator(e.seed, "train", step)), data.labelled([train_set[i] for i in indices], classes)
        first, second = ({key: batch[key][part] for key in ("image", "labels")} for part in (slice(0, 2), slice(2, 4)))
        terms, fake = objective.generator(networks, first, noise, step / 3)
        descend(networks.G, terms, 1e-3)
        of_d = []
        for part in (first, second):
            fake = fake if part is first else objective.fake(networks, part, noise)
            of_d.append(objective.discriminator(networks, part, fake.detach(), noise))
            descend(networks.D, of_d[-1], 2e-3)
        logged.append({f"g_{k}": v.item() for k, v in terms.items()} | {"d_gan": sum(d["gan"].item() for d in of_d) / 2})
    for found, expected in zip(run.history(), logged, strict=True):
        assert {k: found[k] for k in expected} == pytest.approx(expected, abs=2e-5)
    weights = safetensors.torch.load_file(run.weights)
    for key, value in networks.named_parameters():
        torch.testing.assert_close(weights[key], value.detach(), rtol=1e-4, atol=1e-6, msg=lambda text, key=key: f"{key}: {text}")


# --- data -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model, name", [("groupdnet", "mannequins"), ("spade", "streets"), ("groupdnet", "rooms"), ("pix2pix", "streets_from_labels"),
                    ("biggan", "digits")],
)  # fmt: skip
def test_loading_is_a_small_part_of_a_step(model, name, home, monkeypatch):
    """At `demo`, once the pictures are rendered, in one process. In CPU seconds: what else runs does not count."""
    monkeypatch.setattr(training.time, "perf_counter", time.process_time)
    few = {
        "data.n_train": 40,
        "data.n_test": 6,
        "train.steps": 3,
        "train.log_every": 1,
        "train.snapshots": 0,
        "train.standing": 0,
    }
    e = presets.experiment(model, name, "demo", assignments={k: str(v) for k, v in few.items()})
    spent = [
        sum(entry[f"seconds_{part}"] for entry in train(e, accelerator="cpu", progress=False).history())
        for part in ("data", "g", "d")
    ]
    print(f"{model} on {name}: {spent[0] / sum(spent):.1%} of a step is loading")
    assert spent[0] < 0.1 * sum(spent)
