"""A turned picture as one page: the input beside the frame that a slider chooses, all pictures inside the file."""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from armillary.apps.report import Picture, data_uri, details_section, page, picture_section
from armillary.data.atomic import write_atomically

_STYLE = """
.pair { display: flex; flex-wrap: wrap; gap: 1.5rem; margin: 1.2rem 0 .6rem; }
figure { margin: 0; } figure img { width: 18rem; height: 18rem; background: #000; border-radius: .3rem; }
figcaption { color: #555; font-size: .9rem; } output { font-weight: 600; color: #222; }
.controls { display: flex; gap: 1rem; align-items: center; max-width: 37.5rem; }
.controls input { flex: 1; } button { font: inherit; padding: .2rem .9rem; }
"""

_SCRIPT = """
const frames = FRAMES, names = NAMES;
const frame = document.getElementById("frame"), slider = document.getElementById("slider");
const angle = document.getElementById("angle"), play = document.getElementById("play");
let timer = null;
function show() { frame.src = frames[slider.value]; angle.textContent = names[slider.value]; }
function step() { slider.value = (Number(slider.value) + 1) % frames.length; show(); }
function stop() { clearInterval(timer); timer = null; play.textContent = "turn"; }
slider.addEventListener("input", () => { stop(); show(); });
play.addEventListener("click", () => {
  if (timer) { stop(); } else { timer = setInterval(step, 100); play.textContent = "stop"; }
});
show();
"""


def write_turn_report(
    path: Path,
    title: str,
    lead: str,
    picture: bytes,
    frames: Sequence[bytes],
    names: Sequence[str],
    sheet: bytes,
    details: Mapping[str, str],
) -> None:
    """Write the page whole or not at all.

    Args:
        path: The HTML file.
        title: Its heading.
        lead: One sentence below it.
        picture: The input, PNG.
        frames: The decoded pictures, PNG, at least one.
        names: Of the frames: their angles.
        sheet: All of them in one PNG.
        details: Further facts, name to value.
    """
    # The script's data are base64 and angles: nothing in them can end it.
    script = _SCRIPT.replace("FRAMES", json.dumps([data_uri(frame) for frame in frames]))
    script = script.replace("NAMES", json.dumps([*names]))
    body = [
        f"<div class='pair'><figure><img alt='input' src='{data_uri(picture)}'><figcaption>input, as the model sees it"
        f"</figcaption></figure><figure><img id='frame' alt='decoded picture' src='{data_uri(frames[0])}'><figcaption>"
        f"decoded, turned by <output id='angle'>{html.escape(names[0])}</output></figcaption></figure></div>"
        f"<div class='controls'><input type='range' id='slider' min='0' max='{len(frames) - 1}' value='0' "
        "aria-label='angle'><button id='play'>turn</button></div>",
        picture_section(Picture("All frames", sheet)),
        details_section(details),
        f"<script>{script}</script>",
    ]
    write_atomically(path, page(title, lead, body, _STYLE).encode("utf-8"))
