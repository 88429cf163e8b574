"""uet-git: a local, audited merge queue for patches. Importing it does no work."""

__version__ = "0.1.0"
