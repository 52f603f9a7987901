"""The loop: a resumed run is the straight run, whatever stopped it; what cannot be trained is refused or stopped."""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from smislib import data, losses, runs
from smislib import train as training
from smislib.cli import main
from smislib.config import Experiment
from smislib.errors import SmisError
from smislib.runs import Run
from smislib.sample import generator
from smislib.train import _lr_factor, train


class Interrupted(Exception):  # noqa: N818 (it is no error)
    """Stands for whatever ends a process."""


def outcome(run: Run) -> tuple[dict[str, torch.Tensor], list[dict]]:
    """The weights, and the log without its times."""
    log = [{k: v for k, v in entry.items() if "seconds" not in k} for entry in run.history()]
    return safetensors.torch.load_file(run.weights), log


def same(a: tuple, b: tuple) -> bool:
    return a[1] == b[1] and a[0].keys() == b[0].keys() and all(torch.equal(a[0][key], b[0][key]) for key in a[0])


@contextlib.contextmanager
def at_step(step: int, act):
    """Call `act` when D is about to learn from batch `step`, counted from where the run (re)starts."""
    original, done = losses.VaeGanObjective.discriminator, 0

    def discriminator(self, *arguments):
        nonlocal done
        if done == step:
            act()
        done += 1
        return original(self, *arguments)

    losses.VaeGanObjective.discriminator = discriminator
    try:
        yield
    finally:
        losses.VaeGanObjective.discriminator = original


def raising() -> None:
    raise Interrupted


def elsewhere(monkeypatch, home: Path) -> None:
    """Another store, with the same rendered data."""
    (home / "runs").mkdir(parents=True)
    (home / "runs" / ".cache").symlink_to(Path(os.environ["SMIS_HOME"]) / "runs" / ".cache")
    monkeypatch.setenv("SMIS_HOME", str(home))


# --- resume -----------------------------------------------------------------------------------------------------------

SETTINGS = [
    {},
    {"train.ema": 0.9, "train.reuse_fake": "false"},
    {"train.ema": 0.9, "data.flip": "true", "train.log_every": 3},
    {"train.reuse_fake": "false", "train.precision": "bf16-mixed"},
]


@pytest.mark.parametrize("assignments", SETTINGS, ids=["plain", "ema, new fake", "ema, flip", "bf16, new fake"])
def test_a_resumed_run_is_the_straight_run_bit_for_bit(assignments, home, small, monkeypatch):
    experiment = small(**assignments)  # five steps, a checkpoint after every second
    straight = outcome(train(experiment, progress=False))
    elsewhere(monkeypatch, home / "again")
    for steps in (3, 1):  # stop in step 4, after the checkpoint of 2; then in step 4 again
        with at_step(steps, raising), pytest.raises(Interrupted):
            train(experiment, progress=False)
        assert torch.load(runs.open_run(experiment).folder / "checkpoint.pt")["step"] == 2
    resumed = train(experiment, progress=False)
    assert same(outcome(resumed), straight)
    assert not (resumed.folder / "checkpoint.pt").exists()


def killed_in_training(home: str, experiment: Experiment, step: int, signum: int) -> None:
    os.environ["SMIS_HOME"] = home
    with at_step(step, lambda: os.kill(os.getpid(), signum)):
        train(experiment, progress=False)


def killed_in_a_checkpoint(home: str, experiment: Experiment) -> None:
    """The second checkpoint is cut off in the middle by a kill."""
    os.environ["SMIS_HOME"] = home
    original, saved = torch.save, 0

    def save(state: dict, path: Path) -> None:
        nonlocal saved
        original(state, path)
        saved += 1
        if saved == 2:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = save
    train(experiment, progress=False)


@pytest.mark.parametrize("where", ["in a step", "in a checkpoint"])
def test_a_killed_run_resumes_to_the_numbers_of_the_straight_run(where, home, small, monkeypatch, processes):
    experiment = small(**{"train.ema": 0.9})
    straight = outcome(train(experiment, progress=False))
    elsewhere(monkeypatch, home / "again")
    run = runs.open_run(experiment)
    if where == "in a step":
        child = processes(killed_in_training, str(home / "again"), experiment, 3, signal.SIGKILL)
    else:
        child = processes(killed_in_a_checkpoint, str(home / "again"), experiment)
    child.join(300)
    assert child.exitcode == -signal.SIGKILL
    assert not run.finished
    assert torch.load(run.folder / "checkpoint.pt")["step"] == 2  # whole, and not the one that was cut
    left = [path for path in run.folder.iterdir() if path.name.startswith(".checkpoint")]
    assert bool(left) == (where == "in a checkpoint")
    assert same(outcome(train(experiment, progress=False)), straight)
    assert not any(path.exists() for path in left)


def test_a_log_line_that_a_crash_cut_short_is_written_again(home, small, monkeypatch):
    experiment = small()
    straight = outcome(train(experiment, progress=False))
    elsewhere(monkeypatch, home / "again")
    with at_step(3, raising), pytest.raises(Interrupted):
        train(experiment, progress=False)
    run = runs.open_run(experiment)
    assert [entry["step"] for entry in run.history()] == [1, 2, 3]  # step 3 is after the checkpoint
    with run.log.open("a") as file:
        file.write('{"step": 4, "seco')
    assert same(outcome(train(experiment, progress=False)), straight)


@pytest.mark.parametrize("damage", ["truncated", "empty", "another file"])
def test_a_damaged_checkpoint_is_named_and_left_alone(damage, home, small):
    experiment = small()
    with at_step(3, raising), pytest.raises(Interrupted):
        train(experiment, progress=False)
    path = runs.open_run(experiment).folder / "checkpoint.pt"
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[:-2000], "empty": b"", "another file": b"\x89PNG\r\n"}[damage])
    with pytest.raises(
        SmisError, match=rf"checkpoint {path} (cannot be read|is empty).*delete it to train this run from its start"
    ) as raised:
        train(experiment, progress=False)
    assert "\n" not in str(raised.value)
    assert path.exists()
    path.unlink()
    assert train(experiment, progress=False).finished


# --- the same numbers every time --------------------------------------------------------------------------------------


def test_the_seed_decides_the_run(home, small, monkeypatch):
    first = outcome(train(small(), progress=False))
    torch.manual_seed(77)  # the state of the global generators does not matter
    elsewhere(monkeypatch, home / "again")
    assert same(outcome(train(small(), progress=False)), first)
    other = outcome(train(small(seed=1), progress=False))
    assert not any(torch.equal(first[0][key], other[0][key]) for key in first[0] if key.endswith("original"))


def test_reuse_fake_and_ema_change_the_run(home, small):
    plain = outcome(train(small(), progress=False))
    new_fake = outcome(train(small(**{"train.reuse_fake": "false"}), progress=False))
    g_terms = [{k: v for k, v in log[0].items() if k.startswith("g_")} for log in (new_fake[1], plain[1])]
    assert g_terms[0] == g_terms[1]  # of the first step, before D has learnt from another fake
    assert any(not torch.equal(new_fake[0][key], plain[0][key]) for key in plain[0] if key.startswith("D."))
    averaged = outcome(train(small(**{"train.ema": 0.9}), progress=False))
    assert averaged[1] == plain[1]  # the players never see the average
    assert any(not torch.equal(averaged[0][key], plain[0][key]) for key in plain[0])


def test_mixed_precision_computes_in_half_and_keeps_whole_weights(home, small, monkeypatch):
    whole = outcome(train(small(), progress=False))
    used = set()
    original = losses.VaeGanObjective.discriminator

    def discriminator(self, networks, batch, fake, noise):
        terms = original(self, networks, batch, fake, noise)
        used.add(networks.D(torch.cat([batch["labels"], fake], 1))[0][-1].dtype)
        return terms

    monkeypatch.setattr(losses.VaeGanObjective, "discriminator", discriminator)
    mixed = outcome(train(small(**{"train.precision": "bf16-mixed"}), progress=False))
    assert used == {torch.bfloat16}
    assert all(value.dtype == torch.float32 for value in mixed[0].values())
    assert mixed[1] != whole[1]
    assert mixed[1][0] == pytest.approx(whole[1][0], rel=0.1, abs=0.02)  # later steps drift apart, as they may


@pytest.mark.parametrize("ema", [0.2, 0.9])  # decays within the five steps, and after them
def test_the_average_is_the_recurrence_of_the_weights(ema, home, small, monkeypatch):
    """After each step: average += (1 - decay) (weights - average), with decay = min(ema, (1 + step) / (10 + step))."""
    seen = []
    original = training._average

    def record(averaged, networks, decay, step):
        original(averaged, networks, decay, step)
        seen.append({k: v.clone() for k, v in networks.named_parameters()})

    monkeypatch.setattr(training, "_average", record)
    experiment = small(**{"train.ema": ema})
    expected = dict(runs.build(experiment).named_parameters())
    found = outcome(train(experiment, progress=False))[0]
    for step, weights in enumerate(seen):
        decay = min(ema, (1 + step) / (10 + step))
        expected = {k: decay * expected[k].detach() + (1 - decay) * weights[k] for k in expected}
    assert len(seen) == 5
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-6)


def test_a_snapshot_is_of_the_average(home, small, monkeypatch):
    original, averages = training._average, []

    def record(averaged, networks, decay, step):
        original(averaged, networks, decay, step)
        averages.append({k: v.clone() for k, v in averaged.named_parameters()})

    monkeypatch.setattr(training, "_average", record)
    run = train(small(**{"train.steps": 4, "train.ema": 0.9, "train.snapshots": 2, "train.standing": 0}), progress=False)
    kept = safetensors.torch.load_file(run.snapshot(2))
    assert len(averages) == 4 and averages[1].keys() <= kept.keys()
    assert all(torch.equal(kept[key], value) for key, value in averages[1].items())


def test_pictures_on_the_way_do_not_change_it(home, small):
    few, many = (outcome(train(small(**{"train.sample_every": n, "train.ema": 0.0}), progress=False)) for n in (100, 1))
    assert same(few, many)


def test_the_weight_of_the_kl_rises_from_zero(home, small):
    history = train(small(**{"loss.kl_warmup": 1.0, "train.log_every": 1}), progress=False).history()
    assert history[0]["g_kl"] == 0 < history[1]["g_kl"]


def test_the_average_has_the_batch_statistics_of_the_last_step(home, small, monkeypatch):
    original, last = training._average, {}

    def record(averaged, networks, decay, step):
        original(averaged, networks, decay, step)
        last.update({k: v.clone() for k, v in networks.named_buffers()})

    monkeypatch.setattr(training, "_average", record)
    found = outcome(train(small(**{"train.ema": 0.9, "train.standing": 0}), progress=False))[0]
    statistics = [key for key in last if key in found and "running" in key]
    assert len(statistics) > 5
    assert all(torch.equal(found[key], last[key]) for key in statistics)
    assert not any(torch.equal(found[key], torch.zeros_like(found[key])) for key in statistics if key.endswith("mean"))


def test_a_resumed_run_counts_the_seconds_from_before(home, small):
    experiment = small(**{"train.log_every": 1})
    with at_step(3, raising), pytest.raises(Interrupted):
        train(experiment, progress=False)
    run = runs.open_run(experiment)
    run.save_checkpoint(run.load_checkpoint() | {"seconds": 5000.0})
    times = {entry["step"]: entry["seconds"] for entry in train(experiment, progress=False).history()}
    assert times[2] < 5000 < times[3] < times[5] < 5600


def test_the_batch_statistics_of_the_result_are_those_of_drawn_codes(home, small):
    """Of the first batch norm, which sees the codes through one convolution: the mean over all codes of three batches."""
    experiment = small(**{"train.ema": 0.9, "train.standing": 3})
    run = train(experiment, progress=False)
    G, batch = runs.load(run.weights).G, experiment.train.batch
    codes = [torch.randn(batch, *G.schedule.z_shape, generator=generator(0, "standing", i)) for i in range(3)]
    x = G.fc(torch.cat(codes).expand(-1, -1, *G.schedule.grid))
    norm = G.blocks[0].norm_0.norm
    torch.testing.assert_close(norm.running_mean, x.mean((0, 2, 3)))
    variances = torch.stack([part.var((0, 2, 3)) for part in x.split(batch)])
    torch.testing.assert_close(norm.running_var, variances.mean(0))

    plain = outcome(train(small(**{"train.ema": 0.9, "train.standing": 0}), progress=False))[0]
    weights = outcome(run)[0]
    differing = {key.rsplit(".", 1)[1] for key in weights if not torch.equal(weights[key], plain[key])}
    assert differing == {"running_mean", "running_var"}


def test_the_learning_rate_is_constant_then_falls_to_zero(home, small):
    rates = [_lr_factor(step, 10, 0.6) for step in range(11)]
    assert rates == pytest.approx([1] * 7 + [0.75, 0.5, 0.25, 0])
    assert [_lr_factor(step, 4, 1.0) for step in range(4)] == [1] * 4
    run = train(small(**{"train.lr_g": 2e-3, "train.constant": 0.2}), progress=False)
    assert [entry["lr"] for entry in run.history()] == pytest.approx([2e-3, 2e-3, 1.5e-3, 1e-3, 5e-4])


def test_the_first_steps_are_adams_by_hand(home, small):
    """Adam's first step moves every weight that has a gradient by lr: G and E at lr_g, D at lr_d."""
    experiment = small(**{"train.steps": 1, "train.lr_g": 1e-3, "train.lr_d": 3e-3, "train.constant": 1.0})
    before = dict(runs.build(experiment).named_parameters())
    after = outcome(train(experiment, progress=False))[0]
    for key, value in before.items():
        moved = (after[key] - value).abs()
        lr = 3e-3 if key.startswith("D.") else 1e-3
        assert moved.max() <= lr * 1.001, key
        if key.endswith("original"):
            assert moved.median() > 0.9 * lr, key


def test_the_optimisers_are_those_of_the_experiment(home, small):
    experiment = small(**{"train.beta1": 0.3, "train.beta2": 0.8})
    with at_step(3, raising), pytest.raises(Interrupted):
        train(experiment, progress=False)
    state = torch.load(runs.open_run(experiment).folder / "checkpoint.pt")
    for player in ("g", "d"):
        assert [tuple(group["betas"]) for group in state[player]["param_groups"]] == [(0.3, 0.8)]


# --- several processes ------------------------------------------------------------------------------------------------


def trains_and_waits(home: str, experiment: Experiment, training_, go) -> None:
    os.environ["SMIS_HOME"] = home

    def act() -> None:
        training_.set()
        go.wait(300)

    with at_step(1, act):
        train(experiment, progress=False)


def trains_with_its_stderr_in(home: str, experiment: Experiment, path: str) -> None:
    os.environ["SMIS_HOME"] = home
    trained = Path(path).with_suffix(".trained")
    with Path(path).open("w", buffering=1) as sys.stderr, at_step(0, trained.touch):
        train(experiment, progress=False)


def test_two_processes_on_one_run_take_turns(home, small, processes, monkeypatch):
    experiment, told = small(), home / "stderr.txt"
    in_training, go = processes.context.Event(), processes.context.Event()
    first = processes(trains_and_waits, str(home), experiment, in_training, go)
    assert in_training.wait(300)
    second = processes(trains_with_its_stderr_in, str(home), experiment, str(told))
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and "another process works on this run" not in (told.read_text() if told.exists() else ""):
        time.sleep(0.02)
    assert "another process works on this run" in told.read_text()
    go.set()
    for process in (first, second):
        process.join(300)
        assert process.exitcode == 0
    assert not told.with_suffix(".trained").exists()  # it waited, and found the run finished
    together = outcome(runs.open_run(experiment))
    elsewhere(monkeypatch, home / "again")
    assert same(outcome(train(experiment, progress=False)), together)


def rank_of_two(home: str, experiment: Experiment, rank: int, port: int, poison: bool) -> None:
    """One process of a training on two: as a cluster starts it, with its rank in the environment."""
    os.environ |= {"SMIS_HOME": home, "LOCAL_RANK": str(rank), "NODE_RANK": "0", "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    if poison:
        data.open_split = poisoned(data.open_split, 3)
    try:
        train(experiment, accelerator="cpu", devices=2, progress=False)
    except SmisError as error:
        Path(home, f"error{rank}.txt").write_text(str(error))


def on_two_devices(processes, home: Path, experiment: Experiment, poison: bool = False) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = [processes(rank_of_two, str(home), experiment, rank, port, poison) for rank in (0, 1)]
    for process in ranks:
        process.join(300)
        assert process.exitcode == 0


def test_a_batch_that_does_not_divide_among_the_devices_is_refused(home, small):
    with pytest.raises(SmisError, match=r"train.batch=4 .* must divide evenly among them; found 3 device"):
        train(small(), accelerator="cpu", devices=3)
    with pytest.raises(SmisError, match="found 0 device"):
        train(small(), devices=0)


def test_what_this_machine_lacks_is_one_sentence(home, small):
    with pytest.raises(SmisError, match="cannot work with accelerator=quantum"):
        train(small(), accelerator="quantum")
    with pytest.raises(SmisError, match="16-mixed needs a GPU"):
        train(small(**{"train.precision": "16-mixed"}), accelerator="cpu")
    if not torch.cuda.is_available():
        with pytest.raises(SmisError, match="cannot work with accelerator=cuda"):
            train(small(), accelerator="cuda")


# --- what stops a run -------------------------------------------------------------------------------------------------


class Poisoned(torch.utils.data.Dataset):
    """A data set whose image `bad` is not finite."""

    def __init__(self, dataset, bad: int):
        self.dataset, self.bad = dataset, bad

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        sample = self.dataset[index]
        return sample | {"image": sample["image"] * float("nan")} if index == self.bad else sample


def poisoned(open_split, bad: int):
    return lambda spec, split: Poisoned(open_split(spec, split), bad) if split == "train" else open_split(spec, split)


@pytest.mark.parametrize("log_every", [1, 50])
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_its_batch(log_every, home, small, monkeypatch):
    """Whether or not the step is logged: nothing that it spoiled is saved."""
    experiment = small(**{"train.steps": 12, "data.n_train": 40, "train.log_every": log_every})
    epoch = [data.loading.StepSampler(40, 4, 0, range(0)).indices(step) for step in range(10)]
    original = data.open_split
    monkeypatch.setattr(data, "open_split", poisoned(original, epoch[4][1]))  # in the batch of step 4
    with pytest.raises(SmisError, match=r"not finite since step 4 \(step \d+: .*Its batch is kept in .*nonfinite_step4\.pt"):
        train(experiment, progress=False)
    run = runs.open_run(experiment)
    state = torch.load(run.folder / "checkpoint.pt")
    assert state["step"] == 4
    assert all(value.isfinite().all() for value in state["networks"].values())
    kept = torch.load(run.folder / "nonfinite_step4.pt")
    assert [int(name.rsplit("-", 1)[1]) for name in kept["name"]] == epoch[4]
    assert kept["image"].isnan().flatten(1).any(1).tolist() == [False, True, False, False]
    monkeypatch.setattr(data, "open_split", original)  # the image is repaired
    assert train(experiment, progress=False).finished


def test_weights_that_are_not_finite_are_never_saved(home, small):
    """A finite loss can have a gradient that is not."""
    experiment = small(**{"train.log_every": 50})
    original = training._update
    updates = 0

    def spoiling(fabric, optimizer, parameters):
        nonlocal updates
        original(fabric, optimizer, parameters)
        updates += 1
        if updates == 8:  # D's update of the fourth step, the last before a checkpoint
            parameters[0].data[0, 0, 0, 0] = float("inf")

    training._update = spoiling
    try:
        with pytest.raises(SmisError, match="not finite since step 3"):
            train(experiment, progress=False)
    finally:
        training._update = original
    state = torch.load(runs.open_run(experiment).folder / "checkpoint.pt")
    assert state["step"] == 2


def test_every_device_stops_when_one_meets_a_loss_that_is_not_finite(home, small, processes):
    experiment = small()
    on_two_devices(processes, home, experiment, poison=True)
    told = [(home / f"error{rank}.txt").read_text() for rank in (0, 1)]
    assert "not finite since step" in told[0]
    assert told[0].partition(" (")[0] == told[1].partition(" (")[0]
    (kept,) = runs.open_run(experiment).folder.glob("nonfinite_step*.pt")
    assert len(torch.load(kept)["name"]) == experiment.train.batch  # of both devices


def interrupted_command(home: str, arguments: list[str], told: str) -> None:
    os.environ["SMIS_HOME"] = home
    sys.argv = ["smis", *arguments]
    sys.stderr = Path(told).open("w", buffering=1)  # noqa: SIM115 (open until the process ends)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts its background jobs with SIGINT ignored
    with at_step(3, lambda: os.kill(os.getpid(), signal.SIGINT)):
        main()


def test_ctrl_c_ends_with_status_130_and_the_same_command_resumes(home, small, processes, monkeypatch):
    experiment = small(**{"train.ema": 0.9})
    straight = outcome(train(experiment, progress=False))
    elsewhere(monkeypatch, home / "again")
    sets = {"data.n_train": 8, "data.n_test": 6, "train.steps": 5, "train.ema": 0.9}  # what `small` makes
    sets |= {"train.checkpoint_every": 2, "train.sample_every": 100}
    arguments = ["train", "groupdnet", "--preset", "smoke", *(part for k, v in sets.items() for part in ("--set", f"{k}={v}"))]
    child = processes(interrupted_command, str(home / "again"), arguments, str(home / "told.txt"))
    child.join(300)
    assert child.exitcode == 130
    told = (home / "told.txt").read_text()
    assert told.endswith("smis: stopped. The same command resumes from the last checkpoint.\n")
    assert "Traceback" not in told
    monkeypatch.setattr(sys, "argv", ["smis", *arguments, "--no-progress"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert same(outcome(runs.open_run(experiment)), straight)


def test_the_log_has_every_term_and_where_the_time_goes(home, small):
    run = train(small(), progress=False)
    last = json.loads(run.log.read_text().splitlines()[-1])
    assert {"g_gan", "g_feature", "g_kl", "g_perceptual", "d_hinge"} <= last.keys()
    assert {"seconds_data", "seconds_g", "seconds_d"} <= last.keys()
    times = [entry["seconds"] for entry in run.history()]
    assert times == sorted(times)
    assert last["seconds"] > 0
