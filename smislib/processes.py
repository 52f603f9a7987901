"""One training or evaluation on several devices, a process each: who starts them, who writes, what they add up and gather.

Rank r of n takes rows r, r + n, ... of every batch, and batches r, r + n, ... of what is measured. Rank 0 does the writing.
The processes come from `torchrun`, from SLURM, or from `smis ... --devices N`, which starts the others of its node itself.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch.distributed as dist
from torch import Tensor

from .atomic import first_line
from .errors import SmisError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")


class Lost(SmisError):  # noqa: N818 (it is what has happened)
    """Another process of this one's group is gone."""


def rank() -> int:
    """Of this process in its group; 0 where there is one alone."""
    return dist.get_rank() if _grouped() else 0


def world() -> int:
    """How many processes there are."""
    return dist.get_world_size() if _grouped() else 1


def is_first() -> bool:
    """Whether this is rank 0, which speaks and writes; also before the processes have found each other."""
    if _grouped():
        return dist.get_rank() == 0
    names = ("RANK",) if "RANK" in os.environ else ("NODE_RANK", "LOCAL_RANK")  # torchrun's; Lightning's
    return all(os.environ.get(name, "0") == "0" for name in names)


def _grouped() -> bool:
    return dist.is_available() and dist.is_initialized()


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # macOS has no affinity


def asked(devices: int, nodes: int) -> tuple[int, int]:
    """Devices of each node, and nodes; under torchrun as that was told, so that nobody says it twice.

    Raises SmisError where `devices` or `nodes` contradict torchrun, and for nodes that nobody has started.
    """
    if dist.is_available() and dist.is_torchelastic_launched():
        total, local = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
        started = local, total // local
        if devices not in (1, started[0]) or nodes not in (1, started[1]):
            raise SmisError(
                f"torchrun started {started[0]} process(es) on each of {started[1]} node(s), but --devices {devices} --nodes "
                f"{nodes} ask for others. Leave both options out: torchrun's numbers are used."
            )
        return started
    if nodes > 1 and not {"NODE_RANK", "SLURM_NTASKS"} & os.environ.keys():
        raise SmisError(
            f"--nodes {nodes}: nothing tells which of them this machine is. Start it on every node by torchrun: docs/cluster.md."
        )
    return devices, nodes


def fabric(accelerator: str, devices: int, nodes: int, precision: str = "32-true") -> "Fabric":
    """Lightning's Fabric; nothing is started yet. Raises SmisError for what this machine lacks."""
    from lightning_fabric import Fabric  # a second to import, which generators alone need not wait for

    wanted = {"accelerator": accelerator, "devices": devices, "num_nodes": nodes, "precision": precision}
    try:
        return Fabric(strategy="ddp" if devices * nodes > 1 else "auto", **wanted)
    except Exception as error:  # Lightning raises many types for what this machine lacks
        wishes = ", ".join(f"{key}={value}" for key, value in wanted.items())
        raise SmisError(f"this machine cannot work with {wishes}: {str(error).splitlines()[0]}") from error


@contextlib.contextmanager
def first_alone(of: "Fabric") -> Iterator[None]:
    """Rank 0 does what is within before the others are started or let in: they find what it has made.

    Where it fails, nothing has been started.
    """
    first = is_first()
    if not first:
        _meet(of)
    yield
    if first:
        _meet(of)


def _meet(of: "Fabric") -> None:
    with together():
        of.launch()
        of.barrier()


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Within it, the end of another process is an error that says so."""
    try:
        yield
    except RuntimeError as error:  # gloo raises no type of its own
        if not isinstance(error, dist.DistError) and not any(word in str(error) for word in ("gloo", "NCCL")):
            raise
        raise Lost(
            f"another process of this group has ended ({first_line(error)}); what it said stands above, if it could say "
            "anything. What was finished is kept: the same command goes on from there."
        ) from error


def total(x: Tensor) -> Tensor:
    """The sum of a tensor over all processes, without gradient; x itself where there is one."""
    if world() > 1:
        x = x.detach().clone()
        dist.all_reduce(x)
    return x


def of_first(value: T) -> T:
    """What rank 0 has."""
    if world() > 1:
        box: list[Any] = [value]
        dist.broadcast_object_list(box)
        (value,) = box
    return value


def mine(items: Sequence[T]) -> Sequence[T]:
    """This process's share of a list: items rank, rank + world, ..."""
    return items[rank() :: world()]


def in_order(found: list[T]) -> list[T]:
    """What all processes found for their shares (`mine`) of one list, in the order of that list, in every process."""
    n = world()
    if n == 1:
        return found
    shares: list[list[T]] = [[]] * n
    dist.all_gather_object(shares, found)
    return [shares[i % n][i // n] for i in range(sum(map(len, shares)))]
