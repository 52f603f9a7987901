"""Parameters and speed, the last columns of SMIS Table 1."""

import logging
import platform
import time
from collections.abc import Callable

import torch
from torch import nn

from . import Measurement


def parameters(*networks: nn.Module) -> Measurement:
    """`Params`: trainable parameters. The papers' column counts generator + encoder, so pass these two."""
    count = sum(p.numel() for net in networks for p in net.parameters() if p.requires_grad)
    return Measurement("Params", float(count), {"counted": " + ".join(type(net).__name__ for net in networks)})


def fps(generate: Callable[[], object], device: str | torch.device = "cpu", seconds: float = 1.0) -> Measurement:
    """`FPS` of `generate`, which makes one image: median of repeats that fill `seconds`, after a warm-up.

    torch's benchmark timer waits for the GPU and keeps the number of CPU threads as it is now. One thread of a CPU is timed by
    what it computes, not by the clock on the wall: models are measured beside each other's training.
    """
    # the timer's module warns, on import, of a CUDA compiler without a GPU (a cluster's login node): nothing here compiles
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    from torch.utils import benchmark

    device, threads = torch.device(device), torch.get_num_threads()
    own_time = device.type == "cpu" and threads == 1
    clock = time.process_time if own_time else benchmark.timer
    with torch.no_grad():
        generate()  # the first call allocates and chooses kernels
        timer = benchmark.Timer("generate()", globals={"generate": generate}, num_threads=threads, timer=clock)
        times = timer.adaptive_autorange(threshold=0.1, min_run_time=seconds, max_run_time=4 * seconds)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    protocol = {
        "batch": 1,
        "device": f"{device.type} ({name})",
        "threads": threads,
        "clock": "CPU time" if own_time else "wall",
        "statistic": "median",
    }
    return Measurement("FPS", 1 / times.median, {**protocol, "repeats": len(times.times)}, spread=times.iqr / times.median**2)
