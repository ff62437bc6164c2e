"""Boxes and cells, the detector's losses, what it says of nothing."""

import math

import pytest
import torch

from armillary.models.box_regression import BoxAnswer, BoxRegression, BoxRegressionConfig, box_cell, cell_box

CONFIG = BoxRegressionConfig(height=48, width=64, channels=8)


def boxes(count: int = 40) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    centre = torch.rand(count, 2, generator=draw) * torch.tensor([64, 48]) - 0.5
    half = 1 + 12 * torch.rand(count, 2, generator=draw)
    return torch.cat([centre - half, centre + half], -1)


def test_cells_give_boxes_back() -> None:
    cell, sides = box_cell(boxes(), 3, 4)
    assert (cell_box(sides, cell, 4) - boxes()).abs().max() < 1e-4
    # The centre is in its cell.
    assert sides[:, :2].abs().max() <= 0.5


def test_a_box_with_its_centre_outside_has_the_nearest_cell() -> None:
    cell, sides = box_cell(torch.tensor([[-40.0, -40.0, 4.0, 4.0]]), 3, 4)
    assert cell.item() == 0 and (sides[0, :2] < -0.5).all()


def test_losses_are_negative_log_densities() -> None:
    logits, sides = torch.randn(2, 13), torch.zeros(2, 4, 3, 4)
    answer = BoxAnswer(logits, sides, torch.full((2, 4, 3, 4), 0.3))
    truth = torch.stack([boxes()[0], torch.full((4,), torch.nan)])
    where, what = answer.losses(truth)
    cell, wanted = box_cell(truth[:1], 3, 4)
    log_prob = logits.log_softmax(-1)
    assert math.isclose(where[0], -log_prob[0, cell[0]], rel_tol=1e-5)
    assert math.isclose(where[1], -log_prob[1, -1], rel_tol=1e-5)
    # Laplace, without its constant log 2.
    assert math.isclose(what[0], (wanted.abs() / math.exp(0.3) + 0.3).sum(), rel_tol=1e-5) and what[1] == 0
    assert torch.allclose(answer.confidence, 1 - log_prob[:, -1].exp(), atol=1e-6)


def test_frames_with_and_without_a_square_can_be_learned(tmp_path) -> None:
    torch.manual_seed(0)
    network, truth = CONFIG.build().train(), boxes(16)
    truth[12:] = torch.nan
    frames, (rows, columns) = torch.zeros(16, 1, 48, 64), (torch.arange(48)[:, None], torch.arange(64))
    for frame, (left, top, right, bottom) in zip(frames[:12], truth.tolist(), strict=False):
        frame[0] = ((columns > left) & (columns < right) & (rows > top) & (rows < bottom)).float()
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(80):
        optimiser.zero_grad()
        where, what = network(frames).losses(truth)
        (where.mean() + what.mean()).backward()
        optimiser.step()
    answer = network(frames)
    assert (answer.confidence[:12] > 0.5).all() and (answer.confidence[12:] < 0.5).all()
    assert (answer.boxes()[:12] - truth[:12]).abs().median() < 2
    network.eval().save_pretrained(tmp_path)
    again = BoxRegression.from_pretrained(tmp_path)
    assert torch.equal(again(frames).logits, network(frames).logits)


def test_mistakes_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        BoxRegressionConfig(height=50)
    with pytest.raises(ValueError, match="expected frames of 64 x 48 px, got 32 x 32; reduce them"):
        CONFIG.build()(torch.zeros(1, 1, 32, 32))


def test_proposals_are_the_best_boxes_that_do_not_overlap() -> None:
    logits = torch.full((2, 7), -9.0)
    logits[0, [4, 5, 0]] = torch.tensor([3.0, 2.0, 1.0])
    logits[1, 3] = 1.0
    sides = torch.zeros(2, 4, 2, 3)
    # Cell 5 means the box of cell 4.
    sides[0, 0, 1, 2] = -1.0
    first, second = BoxAnswer(logits, sides, torch.zeros_like(sides)).proposals(most=2)
    assert torch.equal(first, torch.tensor([[15.5, 15.5, 31.5, 31.5], [-0.5, -0.5, 15.5, 15.5]]))
    assert torch.equal(second[0], torch.tensor([-0.5, 15.5, 15.5, 31.5])) and len(second) == 2
    answer = BoxAnswer(logits, sides, torch.zeros_like(sides))
    assert torch.equal(torch.stack([each[0] for each in answer.proposals()]), answer.boxes())
