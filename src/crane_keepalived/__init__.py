"""crane-keepalived: one cranectld, on whichever of two nodes holds the storage lock, behind one address."""

__version__ = "0.1.0"
