"""The planned estate of the tests of roll-outs."""

from tests.rollout.conftest import planned

__all__ = ["planned"]
