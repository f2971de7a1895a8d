"""irsa binds AWS IAM roles to Kubernetes service accounts (IRSA): safely, in one step."""

from irsa._irsa import __version__

__all__ = ["__version__"]
