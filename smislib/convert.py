"""The authors' checkpoints in: state dicts of SMIS, SPADE, pix2pixHD and OASIS as networks of this library.

A converted network computes what the official one computes in eval mode. Its spectral norms keep the stored u and v:
torch's old form has them as `weight_u` and `weight_v` beside `weight_orig`, today's as a parametrisation, and in eval
mode both divide by u^T W v.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from . import pickled, presets, runs
from .config import DataSpec, Experiment
from .errors import SmisError, did_you_mean
from .models import MODELS

PLAYERS = "GED"


@dataclass(frozen=True)
class Checkpoint:
    """A released set of networks: what it is in this library, and which of its players were released.

    `files`: how the file of a player ends. OASIS released the averaged generator; its labels have "unknown" first and not
    last, so from ours to its order is `labels.roll(1, 1)`.
    """

    model: str
    data: str
    height: int
    width: int
    C: int
    players: str = PLAYERS
    files: Mapping[str, str] = field(default_factory=lambda: {player: f"_net_{player}.pth" for player in PLAYERS})

    @property
    def experiment(self) -> Experiment:
        """As published; the data set's folder is not part of it."""
        return presets.assemble(self.model, "paper", 0, DataSpec(self.data, self.height, self.width))


OFFICIAL: dict[str, Checkpoint] = {
    "smis/deepfashion": Checkpoint("groupdnet", "deepfashion", 256, 256, 8),
    "smis/cityscapes": Checkpoint("groupdnet", "cityscapes", 256, 512, 35),
    "smis/ade20k": Checkpoint("groupdnet", "ade20k", 256, 256, 151),
    "spade/ade20k": Checkpoint("spade", "ade20k", 256, 256, 151, "GD"),
    "spade/cityscapes": Checkpoint("spade", "cityscapes", 256, 512, 35, "G"),
    "spade_vae/ade20k": Checkpoint("spade_vae", "ade20k", 256, 256, 151, "GE"),
    "pix2pixhd/ade20k": Checkpoint("pix2pixhd", "ade20k", 256, 256, 151, "G"),
    "oasis/ade20k": Checkpoint("oasis", "ade20k", 256, 256, 151, "GD", {"G": "_EMA.pth", "D": "_D.pth"}),
}
NAMES = tuple(f"{name}/{player}" for name, checkpoint in OFFICIAL.items() for player in checkpoint.players)

BLOCKS = ("head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3")
Rules = tuple[tuple[str, str | Callable[[re.Match], str]], ...]  # our key -> theirs, one substitution after the other
_SPECTRAL: Rules = (
    (r"parametrizations\.weight\.original$", "weight_orig"),
    (r"parametrizations\.weight\.0\._([uv])$", r"weight_\1"),
)
_SPADE: Rules = (
    (r"^blocks\.(\d)", lambda m: BLOCKS[int(m[1])]),
    (r"^unused", "up_4"),
    (r"\.norm\.", ".param_free_norm."),
    (r"\.shared\.", ".mlp_shared.0."),
    (r"\.(gamma|beta)\.", r".mlp_\1."),
    (r"\.shortcut\.", ".conv_s."),
    (r"^to_rgb", "conv_img"),
)
_PIX2PIXHD: Rules = (  # one flat list of layers: padding, activations and norms are counted, four grids, nine blocks
    (r"^first", "model.1.0"),
    (r"^down\.(\d)", lambda m: f"model.{3 + 2 * int(m[1])}.0"),
    (r"^blocks\.(\d)\.conv_(\d)", lambda m: f"model.{11 + int(m[1])}.conv_block.{1 + 3 * int(m[2])}.0"),
    (r"^up\.(\d)", lambda m: f"model.{20 + 2 * int(m[1])}.0"),
    (r"^to_rgb", "model.29"),
)
_OASIS: Rules = ((r"^blocks\.", "body."), (r"\.norm\.", ".first_norm."), *_SPADE[3:])
_ENCODER: Rules = (
    (r"^layers\.(\d+)", lambda m: f"layer{int(m[1]) // 3 + 1}.0"),  # each with its norm and activation
    (r"^mu", "fc_mu"),
    (r"^logvar", "fc_var"),
)
_DISCRIMINATOR: Rules = (
    (r"^(\d)\.(0)\.0\.", r"discriminator_\1.model\2.0."),
    (r"^(\d)\.([123])\.0\.", r"discriminator_\1.model\2.0.0."),
    (r"^(\d)\.(4)\.", r"discriminator_\1.model\2.0."),
)
_UNET: Rules = (
    (r"^(down)\.0\.conv_0\.", r"body_\1.0.conv1.0."),  # behind it: activation; behind those of `up`: and resizing
    (r"^(down)\.(\d)\.conv_0\.", r"body_\1.\2.conv1.1."),
    (r"^(up)\.(\d)\.conv_0\.", r"body_\1.\2.conv1.2."),
    (r"^(down|up)\.(\d)\.conv_1\.", r"body_\1.\2.conv2.1."),
    (r"^(down|up)\.(\d)\.shortcut\.", r"body_\1.\2.conv_s."),
    (r"^to_classes", "layer_up_last"),
)
_RULES = {"G": _SPADE, "E": _ENCODER, "D": _DISCRIMINATOR}  # of SMIS and SPADE ...
_RULES_OF = {"pix2pixhd": {"G": _PIX2PIXHD}, "oasis": {"G": _OASIS, "D": _UNET}}  # ... and of the others


def official(name: str, source: Mapping[str, Tensor] | Path | str) -> nn.Module:
    """The network that an official state dict, or a .pth file of one, holds: in eval mode, on the CPU.

    `name` is one of `NAMES`, e.g. "smis/deepfashion/G". Raises SmisError for a file that cannot be read, and for one that
    is of another network, with the difference of keys and shapes.
    """
    return fill(_empty(name), name, source)


def convert(source: Path | str, name: str, target: Path | str | None = None) -> Path:
    """Write a checkpoint as a self-describing safetensors file, which `smislib.load` rebuilds; returns its path.

    A file holds one player, `name` e.g. "smis/deepfashion/G"; the players that it lacks are None in what `load` gives.
    A folder, `name` e.g. "smis/deepfashion", holds one file *_net_G.pth for each of its players (OASIS: *_EMA.pth, *_D.pth).
    Raises SmisError for a `target` that is no other file named NAME.safetensors, and as `official` does.
    """
    source = Path(source)
    default = source / f"{name.replace('/', '-')}.safetensors" if source.is_dir() else source.with_suffix(".safetensors")
    target = Path(target or default)
    if target.suffix != ".safetensors" or target.is_dir() or target.resolve() == source.resolve():
        raise SmisError(f"the weights cannot be written to {target}: give --out another file, named NAME.safetensors.")
    files = _files_of(source, name) if source.is_dir() else {name: source}
    experiment = _checkpoint(next(iter(files))).experiment
    states = {full_name: _read(file) for full_name, file in files.items()}  # before the networks, which take seconds
    networks = _empty(next(iter(files)))
    for full_name, file in files.items():
        fill(networks, full_name, states.pop(full_name), file)
    for player in PLAYERS:
        if not any(full_name.endswith(player) for full_name in files):
            setattr(networks, player, None)
    runs.save(target, networks, experiment)
    return target


def official_key(ours: str, name: str) -> str:
    """The name that one of our weights has in the official checkpoint `name`."""
    for pattern, theirs in _RULES_OF.get(name.split("/")[0], _RULES)[name[-1]] + _SPECTRAL:
        ours = re.sub(pattern, theirs, ours)
    return ours


def _checkpoint(name: str) -> Checkpoint:
    if name not in NAMES:
        raise did_you_mean("official network", name, NAMES)
    return OFFICIAL[name.rpartition("/")[0]]


def _empty(name: str) -> nn.Module:
    """The networks of a checkpoint, without storage."""
    experiment = _checkpoint(name).experiment
    with torch.device("meta"):
        return MODELS[experiment.model].networks(experiment.network)


def fill(networks: nn.Module, name: str, source: Mapping[str, Tensor] | Path | str, called: object = None) -> nn.Module:
    """Give the player `name` of `networks`, of whatever widths, the weights of an official state dict; returns the player.

    `called` is what messages call the source, where that is not its path.
    """
    called = called or ("the state dict" if isinstance(source, Mapping) else source)
    state = {key: value for key, value in _read(source).items() if not key.endswith("num_batches_tracked")}
    network = getattr(networks, name[-1])
    keys = {official_key(ours, name): ours for ours in network.state_dict()}
    _compare(state, {theirs: network.state_dict()[ours].shape for theirs, ours in keys.items()}, name, called)
    state = {keys[theirs]: value.to(torch.float32, copy=True) for theirs, value in state.items()}
    network.load_state_dict(state, assign=True)
    return network.eval()


def _read(source: Mapping[str, Tensor] | Path | str) -> Mapping[str, Tensor]:
    if not isinstance(source, Mapping):
        path = Path(source)
        if not path.is_file():
            raise SmisError(f"there is no file {path}. Give the .pth file that the authors released.")
        source = pickled.read(path)
        if not isinstance(source, Mapping) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in source.items()):
            raise SmisError(f"{path} holds a {type(source).__name__}, expected a state dict: names with a tensor each.")
    return source


def _compare(found: Mapping[str, Tensor], expected: dict[str, torch.Size], name: str, called: object) -> None:
    """Raise SmisError unless keys and shapes agree."""
    missing = [f"{key} {list(expected[key])}" for key in expected if key not in found]
    unexpected = [f"{key} {list(found[key].shape)}" for key in found if key not in expected]
    reshaped = [
        f"{key} {list(found[key].shape)} instead of {list(expected[key])}"
        for key in expected
        if key in found and found[key].shape != expected[key]
    ]
    parts = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
    if any(parts.values()):
        told = "; ".join(f"{len(keys)} {what}: {_some(keys)}" for what, keys in parts.items() if keys)
        raise SmisError(f"{called} is not {name}: of {len(expected)} keys, {told}. {_guess(found)}")


def _some(keys: list[str], n: int = 4) -> str:
    return ", ".join(keys[:n]) + (f" and {len(keys) - n} more" if len(keys) > n else "")


def _guess(found: Mapping[str, Tensor]) -> str:
    """Which official network the weights are of."""
    shapes = {key: value.shape for key, value in found.items()}
    fits = []
    for of, checkpoint in OFFICIAL.items():
        networks = _empty(f"{of}/G")  # with all players
        for name in (f"{of}/{player}" for player in checkpoint.players):
            state = getattr(networks, name[-1]).state_dict()
            if shapes == {official_key(ours, name): value.shape for ours, value in state.items()}:
                fits.append(name)
    return f"It fits {' and '.join(fits)}." if fits else f"It fits none of {', '.join(NAMES)}."


def _files_of(folder: Path, name: str) -> dict[str, Path]:
    """The file of every player in a folder of official checkpoints."""
    if name not in OFFICIAL:
        raise did_you_mean("set of official networks", name, OFFICIAL)
    files = {}
    for player in OFFICIAL[name].players:
        ending = OFFICIAL[name].files[player]
        matches = sorted(folder.glob(f"*{ending}"))
        if len(matches) > 1:
            raise SmisError(f"{folder} has {len(matches)} files *{ending}: {', '.join(m.name for m in matches[:4])}.")
        files |= {f"{name}/{player}": match for match in matches}
    if not files:
        ending = OFFICIAL[name].files["G"]
        raise SmisError(f"{folder} has no file *{ending}: give the folder of a released checkpoint, or one of its files.")
    return files
