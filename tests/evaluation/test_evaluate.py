"""Two-stage evaluation: files that are never mixed, figures that do not depend on the batch size."""

import json

import pytest
import torch

from armillary.data import Batch, DatasetInfo
from armillary.data.record import write_json
from armillary.distributions import HarmonicDistribution
from armillary.evaluation import Predictions, errors, legacy_figures, predict, same_header, summarise
from armillary.harmonics import so3_size, wigner_D
from armillary.so3 import SymmetryGroup, random_rotations, rotation_z

LMAX = 2
VIEWS = 6


def batches(size: int) -> list[Batch]:
    """Views whose first pixels hold the true rotation, of two categories."""
    rotations = random_rotations(VIEWS, generator=torch.Generator().manual_seed(0))
    images = torch.zeros(VIEWS, 3, 4, 4)
    images[:, :, :3, 0] = rotations
    category = torch.arange(VIEWS) % 2
    names = [f"view {i}" for i in range(VIEWS)]
    parts = range(0, VIEWS, size)
    return [
        Batch(images[i : i + size], rotations[i : i + size], category[i : i + size], names=tuple(names[i : i + size]))
        for i in parts
    ]


def oracle(images: torch.Tensor, category: torch.Tensor) -> HarmonicDistribution:
    """A density with its peak at the truth."""
    weights = torch.cat([torch.full(((2 * l + 1) ** 2,), (2 * l + 1) ** 0.5) for l in range(LMAX + 1)])
    assert len(weights) == so3_size(LMAX)
    return HarmonicDistribution(0.5 * weights * wigner_D(LMAX, images[:, :, :3, 0]))


@pytest.fixture
def header() -> dict:
    info = DatasetInfo("pair", ("arrow", "cube"), (SymmetryGroup.trivial(), SymmetryGroup.octahedral()))
    return {"model": "oracle", "data": info.to_json(), "settings": {"seed": 0}}


@pytest.fixture
def predictions(header) -> Predictions:
    return predict(oracle, batches(VIEWS), header, modes=2)


def test_evaluation_is_the_same_for_any_batch_size(predictions, header):
    single = predict(oracle, batches(1), header, modes=2)
    assert single.names == predictions.names
    # Sums over a grid in float32, in another order: a few units in the sixth place.
    torch.testing.assert_close(single.log_prob, predictions.log_prob, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(single.mode, predictions.mode, atol=1e-3, rtol=0.0)


def test_an_oracle_makes_no_errors(predictions):
    figures = summarise(predictions)
    assert figures["median_error_deg"] < 0.1 and figures["acc3"] == 1.0 and figures["n"] == VIEWS
    assert figures["ll_haar"] > 1.0 and abs(figures["ll_haar"] - figures["ll_ipdf"] - 2.2895) < 1e-3
    assert set(figures["per_category"]) == {"arrow", "cube"}
    # Degree 2 at this amplitude spreads over some 18 degrees.
    assert all(10.0 < row["spread_deg"] < 30.0 for row in figures["per_category"].values())


def test_symmetry_counts_per_category(predictions):
    turned = Predictions(
        **{
            **predictions.__dict__,
            "mode": predictions.mode @ SymmetryGroup.octahedral().elements()[5].float(),
        }
    )
    error = errors(turned)
    assert (error[turned.category == 0] > 1.0).all() and (error[turned.category == 1] < 0.01).all()
    assert summarise(turned)["without_symmetry"]["acc30"] == 0.0


def test_the_second_peak_counts_in_the_figure_for_two(predictions):
    turned = predictions.mode @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    swapped = Predictions(
        **{**predictions.__dict__, "mode": turned, "modes": torch.stack([turned, predictions.mode], 1)}
    )
    arrow = summarise(swapped)["per_category"]["arrow"]
    assert arrow["median_error_deg"] > 179.0 and arrow["median_error_top2_deg"] < 0.1


def test_predictions_survive_the_file(tmp_path, predictions):
    predictions.save(tmp_path / "predictions.npz")
    loaded = Predictions.load(tmp_path / "predictions.npz")
    assert loaded.names == predictions.names and loaded.header == predictions.header
    assert summarise(loaded) == summarise(predictions)


def test_predictions_of_another_model_are_refused(tmp_path, predictions, header):
    path = tmp_path / "predictions.npz"
    assert not same_header(path, header)
    predictions.save(path)
    assert same_header(path, header)
    with pytest.raises(ValueError, match="another model"):
        same_header(path, {**header, "model": "other"})


def test_a_damaged_predictions_file_is_named(tmp_path):
    path = tmp_path / "predictions.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"predictions\.npz"):
        Predictions.load(path)


def test_the_spread_is_reproducible(predictions, header):
    assert torch.equal(predict(oracle, batches(VIEWS), header, modes=2).spread, predictions.spread)


def test_an_empty_data_set_is_refused(header):
    with pytest.raises(ValueError, match="pair: expected at least one view"):
        predict(oracle, [], header)


def test_metrics_are_written_whole(tmp_path, predictions):
    write_json(tmp_path / "metrics.json", summarise(predictions))
    assert json.loads((tmp_path / "metrics.json").read_text())["n"] == VIEWS
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_legacy_figures_are_of_angles_divided_by_the_root_of_two(predictions):
    angle = torch.deg2rad(torch.tensor([10.0, 20.0, 30.0, 40.0, 50.0, 60.0]))
    turned = Predictions(**{**predictions.__dict__, "mode": predictions.truth @ rotation_z(angle)})
    legacy, corrected = legacy_figures(turned), summarise(turned)["without_symmetry"]
    assert abs(legacy["median_error_deg"] * 2**0.5 - corrected["median_error_deg"]) < 1e-3
    # Within 42.4 degrees of true angle: four of six, each category two of three.
    assert legacy["acc30"] == pytest.approx(2 / 3) and corrected["acc30"] == pytest.approx(1 / 2)
    assert "root of 2" in legacy["note"] and set(legacy["per_category"]) == {"arrow", "cube"}
    assert "legacy_sqrt2" not in summarise(turned)
