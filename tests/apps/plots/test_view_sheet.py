"""The sheet of novel views: its columns, its notes, its size, and rows that do not fit."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.apps.plots.view_sheet import ViewRow, compared_views, view_sheet_png
from armillary.so3 import rotation_y


def test_columns_are_in_order_and_notes_tell_the_quality():
    generator = torch.Generator().manual_seed(0)
    views = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=generator)
    answers = {"decoded": views.float() / 255, "copy": views.flip(0), "nearest view": views}
    relative = rotation_y(torch.deg2rad(torch.tensor([30.0, 120.0])))
    columns, rows = compared_views(views.flip(0), views, answers, relative, ["mug", "car"])
    assert columns == ["input", "decoded", "truth", "copy", "nearest view"]
    assert [row.caption for row in rows] == ["mug, turned by 30°", "car, turned by 120°"]
    assert rows[0].notes[1] == rows[0].notes[4] == "100.0 dB, 1.00" and rows[0].notes[0] == rows[0].notes[2] == ""
    assert torch.equal(rows[0].pictures[0], rows[0].pictures[3]) and torch.equal(
        rows[1].pictures[1], rows[1].pictures[2]
    )
    with Image.open(io.BytesIO(view_sheet_png(columns, rows, side=32))) as sheet:
        assert sheet.size == (5 * 40 + 8, 2 * (32 + 30 + 8) + 15 + 16)
        # The truth of the second row lies where it belongs.
        shown = torch.from_numpy(np.array(sheet.crop((8 + 80, 31 + 70 + 15, 40 + 80, 63 + 70 + 15))))
    enlarged = torch.nn.functional.interpolate(views[1:].float(), scale_factor=2, mode="bicubic")[0]
    # Two implementations of bicubic enlargement differ at the border and by rounding.
    assert (shown.permute(2, 0, 1)[:, 4:-4, 4:-4] - enlarged.clamp(0, 255)[:, 4:-4, 4:-4]).abs().median() < 12


def test_rows_that_do_not_fit_are_refused():
    row = ViewRow("mug", (torch.zeros(3, 8, 8),), ("",))
    for columns, rows in ((["input", "truth"], [row]), (["input"], [])):
        with pytest.raises(ValueError, match="one for each column"):
            view_sheet_png(columns, rows)
