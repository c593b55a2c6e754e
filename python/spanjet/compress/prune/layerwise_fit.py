"""Layer by layer, what is left of a network fitted to what the whole network computes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.least_squares import LeastSquares
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import Inputs, Taps, pack
from spanjet.compress.prune.qa_head import HeadData, refit_head
from spanjet.compress.prune.sublayers import HALVES, Half, Kind

__all__ = ["DAMPINGS", "refit"]

#: How strongly a fit is held to what it starts from, as shares of the mean of the Gram matrix's diagonal.
DAMPINGS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)

Vectors = NDArray[np.float32]
Weights = dict[str, Vectors]


@dataclass
class _Data:
    """Some windows on their way through both networks.

    Attributes:
        masks: int32[rows, length] of each batch.
        whole, cut: what the next half reads in either network, float32[rows, length, hidden]; the same
            lists as long as nothing was cut.
    """

    masks: list[NDArray[np.int32]]
    whole: list[Vectors]
    cut: list[Vectors]

    def sums(self, half: Half, vectors: Sequence[Vectors]) -> Iterator[Vectors]:
        """What a half normalises, of real tokens: float32[tokens, hidden] for each batch."""
        for inner, batch, mask in zip(half.inner(vectors, self.masks), vectors, self.masks, strict=True):
            yield batch[mask == 1] + half.added(inner)

    def following(self, half: Half, sums: Iterable[Vectors]) -> list[Vectors]:
        """What the next half reads: sums normalised, and zeros for padding."""
        return [_padded(half.normalised(each), mask) for each, mask in zip(sums, self.masks, strict=True)]


@dataclass(frozen=True)
class _HalfData:
    """Some windows at one half of the cut network, real tokens only.

    Attributes:
        inner: what the output product reads, float32[tokens, inner] of each batch.
        before: what comes in, to which the product is added, float32[tokens, hidden].
        targets: the whole network's sums, float32[tokens, hidden].
    """

    inner: list[Vectors]
    before: list[Vectors]
    targets: list[Vectors]

    @classmethod
    def run(cls, half: Half, data: _Data, targets: list[Vectors]) -> "_HalfData":
        """Run the half once."""
        before = [vectors[mask == 1] for vectors, mask in zip(data.cut, data.masks, strict=True)]
        return cls(list(half.inner(data.cut, data.masks)), before, targets)

    def batches(self) -> Iterator[tuple[Vectors, Vectors]]:
        """What the product reads, and what it should give."""
        for inner, before, target in zip(self.inner, self.before, self.targets, strict=True):
            yield inner, target - before

    def sums(self, half: Half, tensors: Weights) -> Iterator[Vectors]:
        """What the half normalises, with these tensors of its product."""
        for inner, before in zip(self.inner, self.before, strict=True):
            yield before + half.added(inner, tensors)

    def best(self, half: Half, corrections: Sequence[tuple[Vectors, Vectors]]) -> Weights:
        """Of what the product is and all corrections of it, what has the least squared error."""
        options = [{}, *(half.corrected(*correction) for correction in corrections)]
        errors = np.zeros(len(options))
        for inner, wanted in self.batches():
            errors += [float(np.square(wanted - half.added(inner, each)).sum()) for each in options]
        return options[int(errors.argmin())]


def refit(
    network: Network,
    start: Network,
    inputs: Sequence[Inputs],
    held_out: Sequence[Inputs],
    *,
    head: bool = True,
    on_half: Callable[[int, int], None] = lambda _done, _total: None,
) -> Network:
    """Fit the output products of a cut network to the whole one's sums, one after another.

    Each half of a layer is fitted on what the halves before it really give, to the whole network's sum of
    the same half, what came in besides included: so that errors made before are made good where that is
    possible, as the layers before are already fitted (He et al. 2017, arXiv 1707.06168; Kurtic et al.
    2023, arXiv 2302.04089). A fit is kept where it lowers the squared error on the held-out windows, of some
    strengths of damping the best; halves that are not cut are fitted too.

    Args:
        network: the whole network.
        start: the cut one, whose halves are fitted each by itself.
        inputs: windows to fit to, see `spanjet.compress.prune.packing.pack`.
        held_out: windows that decide what is kept.
        head: whether the last product, ``qa_outputs``, is fitted to the whole network's logits.
        on_half: called with the numbers of finished and of all halves.
    """
    padding, layers = network.architecture.pad_token_id, len(network.shapes)
    fit, kept = (_embedded(network, pack(part, padding=padding)) for part in (inputs, held_out))
    parts = (fit, kept)
    for step in range(2 * layers):
        index, kind = step // 2, HALVES[step % 2]
        start = start.with_tensors(_fit_half(network, start, index, kind, parts))
        on_half(step + 1, 2 * layers)
    if head:
        ends = (HeadData(part.masks, part.whole, part.cut) for part in parts)
        start = start.with_tensors(refit_head(network, *ends))
    return start


def _fit_half(
    network: Network, start: Network, index: int, kind: Kind, parts: tuple[_Data, _Data]
) -> Weights:
    """The tensors of a half that are fitted; afterwards the data is what the next half reads."""
    whole, cut = Half(network, index, kind), Half(start, index, kind)
    if network.shapes[index] == start.shapes[index] and all(part.whole is part.cut for part in parts):
        for part in parts:
            part.whole = part.cut = part.following(whole, part.sums(whole, part.whole))
        return {}
    fit, held_out = (_HalfData.run(cut, part, list(part.sums(whole, part.whole))) for part in parts)
    squares = LeastSquares(cut.width, network.architecture.hidden_size)
    for inner, missing in fit.batches():
        squares.add(inner, missing - cut.added(inner))
    fitted = held_out.best(cut, squares.corrections(DAMPINGS))
    for part, data in zip(parts, (fit, held_out), strict=True):
        part.whole = part.following(whole, data.targets)
        part.cut = part.following(cut, data.sums(cut, fitted))
    return fitted


def _padded(values: Vectors, mask: NDArray[np.int32]) -> Vectors:
    result = np.zeros((*mask.shape, values.shape[1]), np.float32)
    result[mask == 1] = values
    return result


def _embedded(network: Network, batches: Sequence[Inputs]) -> _Data:
    taps = Taps(network, ["embeddings.norm"])
    masks = [np.ascontiguousarray(batch["attention_mask"]) for batch in batches]
    vectors = []
    for batch, mask in zip(batches, masks, strict=True):
        for _, values in taps(batch):
            vectors.append(_padded(values, mask))
    return _Data(masks, vectors, vectors)
