"""Laws of configurations: JSON and back, validation, budgets."""

import dataclasses
import json

import pytest

from armillary.training import TrainConfig, config_from_json, config_to_json, recipe, recipe_names
from armillary.training.schedule import Budget, warmup_cosine, warmup_steps_down


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_survives_json(name):
    config = recipe(name)
    assert config_from_json(json.loads(json.dumps(config_to_json(config)))) == config


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_has_one_budget(name):
    assert recipe(name).budget(views=1000).fraction(0) < 1e-3


def test_the_pictures_have_the_size_of_the_model():
    config = recipe("debug")
    larger = dataclasses.replace(config, model=dataclasses.replace(config.model, image_size=40))
    assert larger.augmentation.size == 40 and larger.store_size == 60


@pytest.mark.parametrize(
    "wrong",
    [
        *({"batch_size": 0}, {"learning_rate": -1.0}, {"validation": 1.0}, {"ema": 2.0}, {"margin": 0.9}),
        *({"loss": "mse"}, {"optimizer": "adam"}, {"schedule": "linear"}, {"grid_level": 5}, {"grid_points": 1}),
        *({"decay_every": 0.0}, {"decay_rate": 0.0}, {"momentum": 1.0}, {"views": 0}),
    ],
)
def test_impossible_settings_are_refused(wrong):
    # A word that is no choice fails already where types are checked, as they are here.
    with pytest.raises((ValueError, TypeError), match="[Ee]xpected"):
        TrainConfig(**wrong)


@pytest.mark.parametrize("steps, minutes", [(None, None), (3, 1.0), (0, None), (None, -1.0)])
def test_a_budget_is_one_positive_number(steps, minutes):
    with pytest.raises(ValueError, match="expected"):
        Budget(steps, minutes)


def test_the_schedule_rises_then_falls_to_zero():
    rates = [warmup_cosine(step, step / 1000, 100) for step in range(1001)]
    assert max(rates) == max(rates[80:120]) <= 1.0
    assert rates[:90] == sorted(rates[:90]) and rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[-1] < 1e-12


@pytest.mark.parametrize("given", [{}, {"steps": 3, "epochs": 1.0}, {"minutes": 1.0, "epochs": 1.0}])
def test_a_configuration_has_one_budget(given):
    with pytest.raises(ValueError, match="exactly one of --steps, --epochs and --minutes"):
        TrainConfig(**given).budget(100)


def test_epochs_are_steps_of_the_views_there_are():
    assert TrainConfig(epochs=40.0, batch_size=64).budget(79_820).steps == 49_888
    assert TrainConfig(epochs=0.5, batch_size=64).budget(10).steps == 1


def test_steps_down_are_those_of_the_original_schedule():
    # StepLR(15, 0.1) over 40 epochs, here of 125 steps each.
    rates = [warmup_steps_down(step, step / 5000, 0, 15 / 40, 0.1) for step in range(5000)]
    expected = [0.1 ** (step // 125 // 15) for step in range(5000)]
    assert rates == pytest.approx(expected)


def test_a_configuration_of_an_older_run_is_read():
    record = config_to_json(TrainConfig(steps=1))
    for name in ("loss", "optimizer", "epochs", "objects", "margin"):
        del record[name]
    assert config_from_json(record) == TrainConfig(steps=1)


def test_elapsed_time_of_earlier_calls_counts():
    ticks = iter([0.0, 30.0])
    budget = Budget(minutes=1.0, clock=lambda: next(ticks), elapsed_before=15.0)
    assert budget.fraction(10**6) == 0.75
