"""Facades: programs for Keras and for PyTorch run on nbdl with only their import lines changed.

    import nbdl.compat.keras as keras
    import nbdl.compat.tensorflow as tf
    import nbdl.compat.torch as torch

They map names: what something does is said, documented and tested where it is native. docs/compat.md tells what is
covered and what differs.
"""
