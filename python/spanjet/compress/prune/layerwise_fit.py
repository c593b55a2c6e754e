"""Fit a pruned network to the original layer by layer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.least_squares import LeastSquares
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import Inputs, Taps, pack
from spanjet.compress.prune.qa_head import HeadData, refit_head
from spanjet.compress.prune.structures import Structure, blocks_of
from spanjet.compress.prune.sublayers import Sublayer
from spanjet.measure.progress import OnStep, ignore_step

__all__ = ["DAMPINGS", "refit"]

#: How strongly a fit is held to what it starts from, as shares of the mean of the second moments' diagonal.
DAMPINGS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)

Vectors = NDArray[np.float32]
Weights = dict[str, Vectors]


@dataclass
class _Data:
    """Hidden states of some windows in both networks.

    Attributes:
        masks: int32[rows, length] of each batch.
        teacher, student: inputs of the next sublayer in each network, float32[rows, length, hidden]; the same
            lists up to the first pruned sublayer.
    """

    masks: list[NDArray[np.int32]]
    teacher: list[Vectors]
    student: list[Vectors]

    def sums(self, sublayer: Sublayer, vectors: Sequence[Vectors]) -> Iterator[Vectors]:
        """Yield a sublayer's residual sums before normalisation, float32[tokens, hidden] for each batch."""
        for inner, batch, mask in zip(sublayer.inner(vectors, self.masks), vectors, self.masks, strict=True):
            yield batch[mask == 1] + sublayer.added(inner)

    def following(self, sublayer: Sublayer, sums: Iterable[Vectors]) -> list[Vectors]:
        """Normalise residual sums to the next sublayer's inputs, with zeros for padding."""
        return [_padded(sublayer.normalised(each), mask) for each, mask in zip(sums, self.masks, strict=True)]


@dataclass(frozen=True)
class _SublayerData:
    """Activations of some windows at one sublayer of the student, without padding.

    Attributes:
        inner: inputs of the output layer, float32[tokens, inner] of each batch.
        before: residual inputs of the sublayer, float32[tokens, hidden].
        targets: the teacher's residual sums, float32[tokens, hidden].
    """

    inner: list[Vectors]
    before: list[Vectors]
    targets: list[Vectors]

    @classmethod
    def run(cls, sublayer: Sublayer, data: _Data, targets: list[Vectors]) -> "_SublayerData":
        """Run the sublayer on the student's hidden states."""
        before = [vectors[mask == 1] for vectors, mask in zip(data.student, data.masks, strict=True)]
        return cls(list(sublayer.inner(data.student, data.masks)), before, targets)

    def batches(self) -> Iterator[tuple[Vectors, Vectors]]:
        """Yield inputs and target outputs of the output layer."""
        for inner, before, target in zip(self.inner, self.before, self.targets, strict=True):
            yield inner, target - before

    def sums(self, sublayer: Sublayer, tensors: Weights) -> Iterator[Vectors]:
        """Yield the sublayer's residual sums with the given tensors of its output layer."""
        for inner, before in zip(self.inner, self.before, strict=True):
            yield before + sublayer.added(inner, tensors)

    def best(self, sublayer: Sublayer, corrections: Sequence[tuple[Vectors, Vectors]]) -> Weights:
        """Choose the output layer with the least squared error: unchanged, or with one of the corrections."""
        options = [{}, *(sublayer.corrected(*correction) for correction in corrections)]
        errors = np.zeros(len(options))
        for inner, wanted in self.batches():
            errors += [float(np.square(wanted - sublayer.added(inner, each)).sum()) for each in options]
        return options[int(errors.argmin())]


def refit(
    teacher: Network,
    student: Network,
    inputs: Sequence[Inputs],
    held_out: Sequence[Inputs],
    *,
    head: bool = True,
    on_step: OnStep = ignore_step,
) -> Network:
    """Fit the output layers of a pruned network to the original's hidden states, one after another.

    Each sublayer is fitted on the student's own activations to the teacher's residual sum of the same
    sublayer, so that it also compensates for errors of earlier layers, which are already fitted (He et al.
    2017, arXiv 1707.06168; Kurtic et al. 2023, arXiv 2302.04089). The damping with the least squared error on
    the held-out windows is chosen, and the fit is kept if it lowers that error; unpruned sublayers are fitted
    too.

    Args:
        teacher: the original network.
        student: the pruned network, whose sublayers are fitted independently.
        inputs: windows to fit to, as `spanjet.compress.prune.packing.pack` takes them.
        held_out: windows to select the damping on.
        head: fit the answer head, ``qa_outputs``, to the teacher's probabilities as well.
        on_step: called after each sublayer with the number of finished and of all sublayers.
    """
    padding, blocks = teacher.architecture.pad_token_id, blocks_of(teacher)
    fit, kept = (_embedded(teacher, pack(part, padding=padding)) for part in (inputs, held_out))
    parts = (fit, kept)
    for done, (structure, layer) in enumerate(blocks, 1):
        student = student.with_tensors(_fit_sublayer(teacher, student, structure, layer, parts))
        on_step(done, len(blocks))
    if head:
        ends = (HeadData(part.masks, part.teacher, part.student) for part in parts)
        student = student.with_tensors(refit_head(teacher, *ends))
    return student


def _fit_sublayer(
    teacher: Network, student: Network, structure: Structure, layer: int, parts: tuple[_Data, _Data]
) -> Weights:
    """Fit the output layer of a sublayer, return its tensors, and advance the data to the next sublayer."""
    whole, cut = (Sublayer(network, structure, layer) for network in (teacher, student))
    if teacher.shapes[layer] == student.shapes[layer] and all(part.teacher is part.student for part in parts):
        for part in parts:
            part.teacher = part.student = part.following(whole, part.sums(whole, part.teacher))
        return {}
    fit, held_out = (_SublayerData.run(cut, part, list(part.sums(whole, part.teacher))) for part in parts)
    squares = LeastSquares(cut.width, teacher.architecture.hidden_size)
    for inner, missing in fit.batches():
        squares.add(inner, missing - cut.added(inner))
    fitted = held_out.best(cut, squares.corrections(DAMPINGS))
    for part, data in zip(parts, (fit, held_out), strict=True):
        part.teacher = part.following(whole, data.targets)
        part.student = part.following(cut, data.sums(cut, fitted))
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
