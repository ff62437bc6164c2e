"""Images per second of both back ends, with and without PNG encoding, for a mesh of 1,000 triangles at 128 px.

Run ``python benchmarks/rendering.py`` (options: ``--size``, ``--seconds``, ``--workers``). Each worker is a process
with its own OpenGL context; one worker per core is the fastest way to fill a disk. The target is 300 images/s with EGL
on two cores, PNG included. Images per CPU second do not depend on what else the machine is doing.
"""

import argparse
import io
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

CHUNK = 64


def measure(backend: str, size: int, png: bool, seconds: float) -> tuple[float, float]:
    """Images per second and per CPU second of this process, after a first chunk that is not counted."""
    import torch
    from PIL import Image

    from armillary.data.rendering.renderer import Renderer
    from armillary.data.shapes.primitive import ball
    from armillary.so3 import random_rotations

    torch.set_num_threads(1)
    mesh = ball(1.0, 22, 24)  # 1,008 triangles
    renderer = Renderer(size, backend)
    generator = torch.Generator().manual_seed(os.getpid())
    translations = torch.tensor([[0.0, 0.0, 4.0]]).repeat(CHUNK, 1)
    focal, centre = 1.7 * size, (size - 1) / 2
    intrinsics = torch.tensor([[focal, 0, centre], [0, focal, centre], [0, 0, 1]])
    images, start, cpu = -CHUNK, time.perf_counter(), time.process_time()
    while images <= 0 or time.perf_counter() - start < seconds:
        rotations = random_rotations(CHUNK, generator=generator).float()
        frames = renderer.render(mesh, rotations, translations, intrinsics)
        if png:
            for picture in frames.rgb.numpy():
                Image.fromarray(picture).save(io.BytesIO(), "PNG", compress_level=1)
        images += CHUNK
        if images == 0:
            start, cpu = time.perf_counter(), time.process_time()
    return images / (time.perf_counter() - start), images / (time.process_time() - cpu)


def main() -> None:
    """Print one line per back end and encoding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=128, help="width and height, pixels")
    parser.add_argument("--seconds", type=float, default=3.0, help="duration of each measurement")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args()
    print(f"{options.size} px, 1,008 triangles, {options.workers} processes: images/s, and per CPU second")
    for backend in ("egl", "torch"):
        for png in (False, True):
            with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
                jobs = [
                    pool.submit(measure, backend, options.size, png, options.seconds) for _ in range(options.workers)
                ]
                speeds = [job.result() for job in jobs]
            encoding = "with PNG" if png else "without PNG"
            wall, cpu = sum(speed for speed, _ in speeds), sum(speed for _, speed in speeds) / len(speeds)
            print(f"{backend:5s} {encoding:11s} {wall:7.0f} {cpu:7.0f}")


if __name__ == "__main__":
    main()
