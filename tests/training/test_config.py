"""Laws of configurations: JSON and back, validation, budgets."""

import dataclasses
import json

import pytest

from armillary.training import TrainConfig, config_from_json, config_to_json, recipe, recipe_names
from armillary.training.schedule import Budget, warmup_cosine


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_survives_json(name):
    config = recipe(name)
    assert config_from_json(json.loads(json.dumps(config_to_json(config)))) == config


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_has_one_budget(name):
    Budget(recipe(name).steps, recipe(name).minutes)


def test_the_pictures_have_the_size_of_the_model():
    config = recipe("debug")
    larger = dataclasses.replace(config, model=dataclasses.replace(config.model, image_size=40))
    assert larger.augmentation.size == 40 and larger.store_size == 60


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"learning_rate": -1.0}, {"validation": 1.0}, {"ema": 2.0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
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


def test_elapsed_time_of_earlier_calls_counts():
    ticks = iter([0.0, 30.0])
    budget = Budget(minutes=1.0, clock=lambda: next(ticks), elapsed_before=15.0)
    assert budget.fraction(10**6) == 0.75
