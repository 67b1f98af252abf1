"""Ray positions in arcsec for cutouts of any size, and the padded sizes by which many cutouts share one compilation."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

BUCKET = 8


class PixelGrid(eqx.Module):
    """The centres of an image's pixels: x to the right, y up, in arcsec from the centre of the unpadded cutout.

    Position and scale are values, only the shape is static, so that cutouts of one padded shape share a compilation.
    """

    x_first: Float[Array, ""]
    y_first: Float[Array, ""]
    pixel_scale: Float[Array, ""]
    shape: tuple[int, int] = eqx.field(static=True)

    def rays(self, supersampling: int) -> tuple[Float[Array, "my mx"], Float[Array, "my mx"]]:
        """Positions (x, y) in arcsec of `supersampling`^2 rays a pixel, evenly spaced inside each pixel."""
        ny, nx = self.shape
        inside = (jnp.arange(supersampling) + 0.5) / supersampling - 0.5

        def axis(first: Float[Array, ""], number: int) -> Float[Array, " m"]:
            steps = (jnp.arange(number)[:, None] + inside[None, :]).reshape(-1)
            return first + self.pixel_scale * steps.astype(first.dtype)

        x, y = axis(self.x_first, nx), axis(self.y_first, ny)
        return jnp.broadcast_to(x[None, :], (y.size, x.size)), jnp.broadcast_to(y[:, None], (y.size, x.size))

    def subdivided(self, number: int) -> "PixelGrid":
        """The grid whose pixels are `number` times finer, over the same area."""
        scale = self.pixel_scale / number
        ny, nx = self.shape
        to_first = 0.5 * (scale - self.pixel_scale)
        return PixelGrid(self.x_first + to_first, self.y_first + to_first, scale, (number * ny, number * nx))

    def widened(self, rim: int) -> "PixelGrid":
        """The grid with `rim` more pixels on each side."""
        ny, nx = self.shape
        outwards = rim * self.pixel_scale
        shape = (ny + 2 * rim, nx + 2 * rim)
        return PixelGrid(self.x_first - outwards, self.y_first - outwards, self.pixel_scale, shape)

    def around(self, x: Array, y: Array, side: int) -> tuple["PixelGrid", Int[Array, ""], Int[Array, ""]]:
        """The square of `side` pixels around (x, y) arcsec that lies within the image; its first row and column."""
        ny, nx = self.shape
        rows, columns = min(side, ny), min(side, nx)

        def start(offset: Array, number: int, most: int) -> Int[Array, ""]:
            first = jnp.round(offset / self.pixel_scale - (number - 1) / 2).astype(jnp.int32)
            return jax.lax.stop_gradient(jnp.clip(first, 0, most - number))

        row, column = start(y - self.y_first, rows, ny), start(x - self.x_first, columns, nx)
        x_first, y_first = self.x_first + column * self.pixel_scale, self.y_first + row * self.pixel_scale
        return PixelGrid(x_first, y_first, self.pixel_scale, (rows, columns)), row, column


def centred_grid(
    shape: tuple[int, int], pixel_scale: float, dtype: jax.typing.DTypeLike, padded: tuple[int, int] | None = None
) -> PixelGrid:
    """The grid of a cutout of `shape` (ny, nx), origin at its centre, continued to `padded` rows and columns."""
    ny, nx = shape
    scale = jnp.asarray(pixel_scale, dtype)
    return PixelGrid(-scale * (nx - 1) / 2, -scale * (ny - 1) / 2, scale, padded or shape)


def bucket_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """The smallest square bucket, a multiple of 8 pixels a side, that holds an image of `shape`."""
    side = -(-max(shape) // BUCKET) * BUCKET
    return side, side


def bin_pixels(fine: Float[Array, "my mx"], supersampling: int) -> Float[Array, "ny nx"]:
    """The mean over the rays of each pixel."""
    if supersampling == 1:
        return fine
    my, mx = fine.shape
    blocks = fine.reshape(my // supersampling, supersampling, mx // supersampling, supersampling)
    return blocks.mean((1, 3))
