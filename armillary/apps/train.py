"""``armillary train``: a data set to a trained model, in a run folder that resumes."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from jaxtyping import Int
from torch import Tensor

from armillary.apps.dataset import open_split
from armillary.apps.lookup import Lookup
from armillary.apps.machine import check_output, flush_denormals, use_threads
from armillary.apps.parse import parse
from armillary.data import ImageStore, Reader
from armillary.models import HarmonicRegressionConfig
from armillary.training import TrainConfig, config_to_json, named_recipe, recipe_names, train
from armillary.training.feed import hold_out, hold_out_places
from armillary.training.recipes import ORIGINAL, Recipe
from armillary.training.run import BUDGETS
from armillary.training.selection import Selection

RECIPE_TABLE = "\n".join(f"  {name:<23}{purpose}" for name, purpose in recipe_names().items())


@dataclass(frozen=True)
class TrainCommand:
    """Options of training. Their help stands here because tyro finds no comments of a class made by `_parse`.

    Attributes:
        data: The data set: a folder or file of posed pictures (BOP, npz, transforms.json, COLMAP text, CSV).
        out: The run folder; one that holds an unfinished run of the same options is taken up where it stopped.
        recipe: Named settings from the table above; the options below start from its values. By default "photos" up to
            3,000 pictures and "mesh" beyond.
        split: Part of the data set to train on; by default the recipe's, "train" where it has parts.
        tell_category: Tell the model each view's category, as an input beside the picture.
        store: Keep the crops in this folder and map them from there: for data larger than memory, and to begin at once
            when trained on again.
        val_data: A second data set for the validation loss, instead of views held out of the first.
        threads: Processor threads; by default one for each core.
        stop_after: Stop after so many steps although the budget is not used up; the same command takes up the run.
        dry_run: Print the configuration and stop.
        config: Settings of the recipe.
    """

    data: str
    out: Path
    recipe: str | None = None
    split: str | None = None
    tell_category: bool = False
    store: Path | None = None
    val_data: str | None = None
    threads: int | None = None
    stop_after: int | None = None
    dry_run: bool = False
    config: tyro.conf.OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)


DESCRIPTION = f"""Train a model on a data set: photographs with poses, a rendered data set, any BOP folder.

The run folder gets the model (RUN/model), the learning curve (RUN/curve.png, RUN/metrics.jsonl, TensorBoard events)
and the whole configuration. The same command again takes up an interrupted run.

recipes:
{RECIPE_TABLE}
  NAME{ORIGINAL}          those of published data sets as published (docs/original.md, docs/spherical_regression.md)

examples:
  armillary train --data photos.npz --minutes 15 --out run
  armillary train --data rendered --recipe mesh --lmax 8 --out run
  armillary train --data rendered --recipe debug --out try
  armillary train --data ModelNet10-SO3 --recipe modelnet10-limited --out run
  armillary train --data symsol_dataset.zip --recipe symsol1-10000 --out run
"""


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command; ``started`` is when the budget began to be used."""
    recipe = named_recipe(_named_recipe(arguments) or "mesh")
    command = _parse(arguments, recipe)
    reader = open_split(command.data, command.split, recipe.splits)
    if command.recipe is None:
        command = _parse(arguments, named_recipe("photos" if len(reader) <= 3000 else "mesh"))
    reader = _selected(reader, command.config)
    config = dataclasses.replace(command.config, source=str(command.data))
    if command.tell_category:
        config = told(config, len(reader.info.categories))
    if command.dry_run:
        print(json.dumps(config_to_json(config), indent=2))
        return
    check_output(command.out)
    if command.stop_after is not None and command.stop_after < 1:
        raise ValueError(f"expected --stop-after 1 or more, got {command.stop_after}; leave it out to use the budget")
    if recipe.published:
        print(f"published for {command.recipe}: {recipe.published}")
    flush_denormals()
    use_threads(command.threads)
    store, held_out, among = _stores(command, config, reader)
    folder = train(config, command.out, store, held_out, started, command.stop_after, among)
    if (folder / "model.safetensors").exists():
        Lookup.from_store(store, config.model.image_size).save(command.out / "lookup.npz")
        print(f"the model is in {folder}; next: armillary evaluate {command.out} --data DATA --out DIR")


def told(config: TrainConfig, categories: int) -> TrainConfig:
    """The configuration of a model that is told which of so many categories it sees.

    Example:
        >>> told(TrainConfig(), 10).model.categories
        10
    """
    model = dataclasses.replace(config.model, categories=0)
    if isinstance(model, HarmonicRegressionConfig) and not model.hidden:
        model = dataclasses.replace(model, hidden=512)
    return dataclasses.replace(config, model=dataclasses.replace(model, categories=categories))


def _selected(reader: Reader, config: TrainConfig) -> Reader:
    return Selection(reader, config.objects, config.views) if config.objects or config.views else reader


def _parse(arguments: Sequence[str], recipe: Recipe) -> TrainCommand:
    config = recipe.config
    if "--size" in arguments:
        raise ValueError("unknown option --size; the pictures' size is the model's, --image-size")
    # The recipe's values as the defaults of the options.
    settings = ("config", tyro.conf.OmitArgPrefixes[TrainConfig], field(default=config))
    kind = dataclasses.make_dataclass("TrainCommand", [settings], bases=(TrainCommand,), frozen=True)
    command = parse(kind, arguments, "armillary train", DESCRIPTION)
    given = [name for name in BUDGETS if any(w == f"--{name}" or w.startswith(f"--{name}=") for w in arguments)]
    if given:
        # An option given replaces the recipe's budget, in whatever unit that is.
        others = {name: None for name in BUDGETS if name not in given}
        return dataclasses.replace(command, config=dataclasses.replace(command.config, **others))
    return command


def _named_recipe(arguments: Sequence[str]) -> str | None:
    for place, word in enumerate(arguments):
        if word == "--recipe" and place + 1 < len(arguments):
            return arguments[place + 1]
        if word.startswith("--recipe="):
            return word.removeprefix("--recipe=")
    return None


def _stores(
    command: TrainCommand, config: TrainConfig, reader: Reader
) -> tuple[ImageStore, ImageStore | None, Int[Tensor, " places"] | None]:
    """The crops, those for validation, and which of the former to train on (None: all)."""
    store = _store(command.store, config, reader)
    if command.val_data is not None:
        second = open_split(command.val_data, None, ("val", "validation", "test"))
        second = _selected(second, dataclasses.replace(config, views=None))
        return store, ImageStore.from_reader(second, config.store_size, store.margin, store.info), None
    if command.store is None:
        return *hold_out(store, config.validation, config.seed), None
    # Taking a part of a store copies it to memory: of the larger part, only the places.
    training, held_out = hold_out_places(len(store), config.validation, config.seed)
    return store, store[held_out] if len(held_out) else None, training


def _store(folder: Path | None, config: TrainConfig, reader: Reader) -> ImageStore:
    if folder is None or not (folder / "info.json").exists():
        return ImageStore.from_reader(reader, config.store_size, config.margin, folder=folder)
    store = ImageStore.load(folder)
    there = (len(store), store.size, store.margin, store.info.name, store.info.categories)
    if there != (len(reader), config.store_size, config.margin, reader.info.name, reader.info.categories):
        raise ValueError(
            f"{folder}: expected {len(reader)} crops of {reader.info.name}, {config.store_size} px, margin "
            f"{config.margin:g}, got {len(store)} of {store.info.name}, {store.size} px, margin {store.margin:g}; "
            "name another --store"
        )
    return store
