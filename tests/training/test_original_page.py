"""docs/original.md: every flag of the original is in it, and every option it names exists."""

import re
from pathlib import Path

import pytest

from armillary.apps.cli import main
from armillary.training import named_recipe

PAGE = (Path(__file__).parents[2] / "docs" / "original.md").read_text()
FLAGS = (
    "results_dir seed device desc encoder lmax sphere_fdim train_grid_rec_level train_grid_n_points "
    "train_grid_include_gt train_grid_mode eval_grid_rec_level eval_use_gradient_ascent include_class_label num_epochs "
    "batch_size lr_initial lr_step_size lr_decay_rate sgd_momentum use_nesterov weight_decay dataset_path dataset_name "
    "num_workers data_split speedplus_split speedplus_test translation_head"
).split()


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_of_the_original_is_told(flag):
    assert f"`{flag}`" in PAGE


def test_every_option_on_the_page_exists(capsys):
    known: set[str] = set()
    for words in (["train", "--recipe", "modelnet10"], ["evaluate"], ["predict"], ["convert-checkpoint"]):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        known |= {*re.findall(r"--[a-z][a-z0-9-]*", capsys.readouterr().out)}
    # Options of the original stand with underscores.
    named = {*re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*", PAGE)}
    assert {option for option in named if "_" not in option} <= known


def test_every_recipe_on_the_page_exists():
    for name in re.findall(r"--recipe ([a-z0-9-]+)", PAGE):
        assert named_recipe(name).purpose
