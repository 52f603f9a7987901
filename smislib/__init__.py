"""smislib: semantically multi-modal image synthesis (GroupDNet) and the papers around it, reproducible.

What it exports is listed in `__init__.pyi` and imported when it is first used: `smis --help` need not wait for torch.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
