"""smislib: semantically multi-modal image synthesis (GroupDNet) and the papers around it, reproducible."""

__version__ = "0.1.0"
