"""``armillary spacecraft``: six-degree poses from whole frames; render, train, evaluate, predict."""

from .command import main as main
