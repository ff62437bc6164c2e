"""Rasteriser on OpenGL through EGL (llvmpipe on a CPU, the driver on a GPU): many views tiled into one framebuffer.

Each view is drawn once into its tile, on the sample grid that ``view.py`` describes: lit colour to one attachment;
depth and the normal, packed into two 32-bit integers, to the other. Row 0 of a tile is row 0 of the image.
"""

import os
from functools import cache

import numpy as np
import torch
from torch import Tensor

from armillary.data.rendering.view import Drawer, Layers, Views, filter_samples, view_table
from armillary.data.shapes.mesh import Mesh

# Samples of one framebuffer (16 tiles of 128 px with antialiasing); larger ones were no faster and take more memory.
ATLAS_SAMPLES = 1 << 20

VERTEX_SHADER = """
#version 330
uniform vec4 view[SIZE];
uniform vec3 grid;     // samples across, samples down, samples per pixel
in vec3 in_position;
in vec3 in_colour;
in vec3 in_normal;
out vec3 position;
out vec3 colour;
out vec3 normal;
void main() {
    vec4 point = vec4(in_position, 1.0);
    position = vec3(dot(view[0], point), dot(view[1], point), dot(view[2], point));
    normal = vec3(dot(view[0].xyz, in_normal), dot(view[1].xyz, in_normal), dot(view[2].xyz, in_normal));
    colour = in_colour;
    float w = position.z, near = view[4].y, far = view[4].z;
    vec2 pixel = vec2(dot(view[3].xyz, position), view[3].w * position.y + view[4].x * w);
    // Pixel u lies at sample coordinate s u + s - 1/2 (from the tile's corner) for s samples per pixel.
    vec2 place = grid.z * pixel + (grid.z - 0.5) * w;
    float depth = (far + near) / (far - near) * w - 2.0 * far * near / (far - near);
    gl_Position = vec4(2.0 * place / grid.xy - w, depth, w);
}
"""
FRAGMENT_SHADER = """
#version 330
uniform vec4 view[SIZE];
uniform bool flat_faces;
in vec3 position;
in vec3 colour;
in vec3 normal;
layout(location=0) out vec4 lit;
layout(location=1) out uvec2 geometry;
void main() {
    vec3 n = normalize(flat_faces ? cross(dFdx(position), dFdy(position)) : normal);
    vec3 eye = -normalize(position);
    if (dot(n, eye) < 0.0) n = -n;
    vec3 diffuse = view[5].rgb;
    vec3 specular = vec3(0.0);
    float shine;
LIGHTS
    lit = vec4(clamp(colour * diffuse + view[4].w * specular, 0.0, 1.0), 1.0);
    vec3 octant = n / (abs(n.x) + abs(n.y) + abs(n.z));
    uint x = uint(octant.x * 16383.0 + 16384.5), y = uint(octant.y * 16383.0 + 16384.5);
    geometry = uvec2((x << 16) | (y << 1) | (n.z < 0.0 ? 1u : 0u), floatBitsToUint(position.z));
}
"""


LIGHT = """
    diffuse += view[NEXT].rgb * max(dot(n, view[THIS].xyz), 0.0);
    shine = max(dot(n, normalize(view[THIS].xyz + eye)), 0.0);
    shine *= shine; shine *= shine; shine *= shine; shine *= shine;
    specular += view[NEXT].rgb * shine * shine;
"""


# Odd numbers of 64 bits; sums of products with them are the same for different corners once in 1e9 meshes.
_HASH = torch.tensor(
    [
        0x1E3779B97F4A7C15, 0x3F58476D1CE4E5B9, 0x14D049BB133111EB, 0x2545F4914F6CDD1D, 0x5851F42D4C957F2D,
        0x369DEA0F31A53F85, 0x106689D45497FDB5, 0x27BB2EE687B0B0FD, 0x4F1BBCDCBFA53E0B,
    ]
)  # fmt: skip


class ForkedError(RuntimeError):
    """OpenGL was in use when this process was forked; it would hang here."""


@cache
def _process_of_first_context() -> int:
    """The process that first made a context; a fork inherits the answer, a spawned process finds its own."""
    return os.getpid()


class EglBackend(Drawer):
    """Draws views with OpenGL; its context belongs to the process that made it (see ``Renderer``)."""

    name = "egl"
    _process = -1  # until there is a context to release

    def __init__(self, height: int, width: int, samples: int) -> None:
        # One llvmpipe thread per process: workers and loaders are the parallel unit here.
        os.environ.setdefault("LP_NUM_THREADS", "1")
        if _process_of_first_context() != os.getpid():
            raise ForkedError("this process was forked after its parent had used OpenGL")
        import moderngl

        self.height, self.width, self.samples = height, width, samples
        self.context = moderngl.create_context(standalone=True, require=330, backend="egl")  # type: ignore[call-arg]
        # Dead objects wait for their own context: at once they would be deleted by name in whichever is current.
        self.context.gc_mode = "context_gc"
        self._process = os.getpid()
        self.down, self.across = (size * samples + samples - 1 for size in (height, width))
        side = int(ATLAS_SAMPLES**0.5)
        self.rows, self.columns = max(1, side // self.down), max(1, side // self.across)
        extent = (self.columns * self.across, self.rows * self.down)
        colour, geometry = self.context.renderbuffer(extent, 4), self.context.renderbuffer(extent, 2, dtype="u4")
        self.framebuffer = self.context.framebuffer([colour, geometry], self.context.depth_renderbuffer(extent))
        self.context.enable(moderngl.DEPTH_TEST)
        self._programs: dict[int, object] = {}
        self._meshes: list[tuple[Mesh, int, object]] = []

    @property
    def driver(self) -> str:
        """Who draws: "llvmpipe ..." on a CPU, else the GPU's name."""
        return self.context.info["GL_RENDERER"]

    def draw(self, mesh: Mesh, views: Views) -> Layers:
        """Colour, normals and depth of each view."""
        tiles = self.columns * self.rows
        layers = Layers.empty(len(views), self.height, self.width)
        with self.context:
            self.context.gc()
            table = view_table(views).cpu()
            for start in range(0, len(views), tiles):
                self._draw_chunk(mesh, table[start : start + tiles], layers, start)
        return layers

    def _draw_chunk(self, mesh: Mesh, table: Tensor, layers: Layers, start: int) -> None:
        count, texels, _ = table.shape
        program, array = self._program(texels), self._array(mesh, texels)
        program["flat_faces"].value = mesh.normals is None  # type: ignore[index]
        uniform, rows = program["view"], table.numpy()  # type: ignore[index]
        self.framebuffer.use()
        self.framebuffer.clear()
        for index in range(count):
            row, column = divmod(index, self.columns)
            self.framebuffer.viewport = (column * self.across, row * self.down, self.across, self.down)
            uniform.write(rows[index])
            array.render()  # type: ignore[attr-defined]
        used = -(-count // self.columns)
        region = (0, 0, self.columns * self.across, used * self.down)
        colour = np.frombuffer(self.framebuffer.read(region, 4), dtype=np.uint8)
        packed = np.frombuffer(self.framebuffer.read(region, 2, attachment=1, dtype="u4"), dtype=np.int32)
        shape = (used, self.down, self.columns, self.across)
        first = self.samples - 1
        centres = packed.reshape(*shape, 2)[:, first :: self.samples, :, first :: self.samples]
        part = slice(start, start + count)
        samples = torch.from_numpy(_tiles(colour.reshape(*shape, 4), count))
        layers.colour[part] = filter_samples(samples, self.samples)
        _unpack(torch.from_numpy(_tiles(centres, count)), layers.normals[part], layers.depth[part])

    def _program(self, texels: int) -> object:
        if texels not in self._programs:
            # Unrolled by hand: llvmpipe looks computed indices up slowly, and pow costs as much as all the rest.
            lights = "".join(
                LIGHT.replace("THIS", str(index)).replace("NEXT", str(index + 1)) for index in range(6, texels, 2)
            )
            program = self.context.program(
                vertex_shader=VERTEX_SHADER.replace("SIZE", str(texels)),
                fragment_shader=FRAGMENT_SHADER.replace("SIZE", str(texels)).replace("LIGHTS", lights),
            )
            program["grid"].value = (self.across, self.down, self.samples)  # type: ignore[union-attr]
            self._programs[texels] = program
        return self._programs[texels]

    def _array(self, mesh: Mesh, texels: int) -> object:
        """The mesh on the GPU; a handful of meshes are kept, the oldest goes first."""
        for known, size, array in self._meshes:
            if known is mesh and size == texels:
                return array
        if mesh.normals is None:
            data = torch.cat([mesh.vertices, mesh.vertex_colours, torch.zeros_like(mesh.vertices)], dim=1)
            faces = mesh.faces
        else:
            corners = mesh.faces.flatten()
            each = torch.cat([mesh.vertices[corners], mesh.vertex_colours[corners], mesh.normals.reshape(-1, 3)], dim=1)
            # Equal corners by one number each: sorting numbers is many times faster than sorting rows.
            _, faces = torch.unique((each.view(torch.int32).long() * _HASH).sum(1), return_inverse=True)
            data = each.new_empty(int(faces.max()) + 1, each.shape[1])
            data[faces] = each
        vertices = self.context.buffer(np.ascontiguousarray(data.cpu().numpy(), dtype=np.float32))
        indices = self.context.buffer(np.ascontiguousarray(faces.cpu().numpy(), dtype=np.int32))
        array = self.context.vertex_array(
            self._program(texels), [(vertices, "3f 3f 3f", "in_position", "in_colour", "in_normal")], indices
        )
        self._meshes = [*self._meshes[-15:], (mesh, texels, array)]
        return array

    def release(self) -> None:
        """Give the context and all it holds back."""
        if self._process == os.getpid():
            self.context.release()
            self._process = -1

    def __del__(self) -> None:
        self.release()


def _tiles(atlas: np.ndarray, count: int) -> np.ndarray:
    """(rows, height, columns, width, channels) -> (count, height, width, channels)."""
    # Always a copy: a single tile would stay the read-only buffer it came in.
    order = np.array(atlas.transpose(0, 2, 1, 3, 4), order="C")
    return order.reshape(-1, *order.shape[2:])[:count]


def _unpack(packed: Tensor, normals: Tensor, depth: Tensor) -> None:
    """Write normals and depth of the packed integers; nothing where nothing was drawn."""
    hits = torch.nonzero(packed[..., 1].flatten())[:, 0]
    codes, bits = packed.reshape(-1, 2)[hits].unbind(dim=1)
    x = ((codes >> 16 & 0x7FFF).float() - 16384) / 16383
    y = ((codes >> 1 & 0x7FFF).float() - 16384) / 16383
    z = (1 - x.abs() - y.abs()) * (1 - 2 * (codes & 1))
    normal = torch.stack([x, y, z], dim=1)
    normals.view(-1, 3)[hits] = normal * (normal * normal).sum(dim=1, keepdim=True).rsqrt()
    depth.view(-1)[hits] = bits.contiguous().view(torch.float32)
