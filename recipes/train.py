"""Train a reader on prepared examples, on a CPU (bfloat16) or a GPU; resumable at any moment.

    python -m recipes.train START --examples train.npz --held-out held-out.npz --state DIR --out DIR

Run it again with the same ``--state`` and it goes on where it was: weights, optimiser, and place in the data.
The rate is constant and falls to 0 over the last part of the run (``--cool-down``), so that a run can be made
longer as long as that part has not begun. With ``--teacher``, answers are learned from a teacher's logits too
(Hinton et al. 2015, arXiv 1503.02531); of the epochs that `recipes.logits` kept, each is used again in turn.
"""

import argparse
import itertools
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from recipes.examples import Arrays, Batch, Sampling, Window, batches, collate, windows
from recipes.logits import Teacher
from recipes.model import Reader, layout_of, load_reader, save_checkpoint

LOG_STEPS = 100
HELD_OUT_EVERY = 20_000
"""Windows from one look at the held-out questions to the next."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run depends on; a state of other settings is refused, ``total`` aside.

    Attributes:
        total: windows seen in the whole run.
        cool_down: share of them over which the rate falls to 0.
        rate: of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101).
        warm_up: steps over which it rises.
        tokens: rows times length of a batch at most.
        seed: of the answer head, the windows and their order.
        elsewhere, article: see `Sampling`.
        teacher_weight: share of the teacher's loss; 0: from labels alone.
    """

    total: int
    cool_down: float
    rate: float
    warm_up: int
    tokens: int
    seed: int
    elsewhere: float
    article: float
    teacher_weight: float = 0.0

    def rate_at(self, seen: int, step: int) -> float:
        """Compute the rate of a step."""
        left = (self.total - seen) / (self.cool_down * self.total) if self.cool_down else 1.0
        return self.rate * min(1.0, (step + 1) / self.warm_up, max(0.0, left))


@dataclass(slots=True)
class Place:
    """How far a run is: ``batch`` batches of the epoch are done."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seen: int = 0
    seconds: float = 0.0


def loss_of(
    reader: Reader,
    batch: Batch,
    device: str,
    targets: NDArray[np.float32] | None = None,
    weight: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Measure the mean cross-entropy of first and last tokens; tell which windows are answered exactly.

    Args:
        reader: what is trained.
        batch: its inputs, and the answers.
        device: where the reader is.
        targets: float32[2, windows, length], a teacher's logits; None: the labels alone.
        weight: share of the teacher's cross-entropy.
    """
    ids, types, mask, allowed, first, last = (torch.from_numpy(values).to(device) for values in batch)
    start, end = reader(ids, mask, types)
    start, end = (logits.masked_fill(~allowed, -10_000.0) for logits in (start, end))
    loss = (functional.cross_entropy(start, first) + functional.cross_entropy(end, last)) / 2
    if targets is not None:
        wanted = torch.from_numpy(targets).to(device).softmax(-1)
        taught = functional.cross_entropy(start, wanted[0]) + functional.cross_entropy(end, wanted[1])
        loss = (1 - weight) * loss + weight * taught / 2
    return loss, (start.argmax(1) == first) & (end.argmax(1) == last)


def held_out(reader: Reader, arrays: Arrays, settings: Settings, device: str) -> str:
    """Measure loss and exact matches of 2,000 held-out windows, the same each time."""
    found = windows(arrays, Sampling(settings.elsewhere, settings.article), (0, 0))
    chosen = [found[index] for index in np.random.default_rng(0).permutation(len(found))[:2000]]
    total = exact = 0.0
    with torch.no_grad():
        for batch in batches(arrays, chosen, settings.tokens, (0, 0)):
            loss, right = loss_of(reader, collate(arrays, batch), device)
            total += float(loss) * len(batch)
            exact += float(right.sum())
    return f"held-out loss {total / len(chosen):.4f} exact {exact / len(chosen):.4f}"


def optimizer_of(reader: Reader, settings: Settings) -> torch.optim.AdamW:
    """Make AdamW with weight decay on the matrices alone."""
    matrices = [value for value in reader.parameters() if value.ndim > 1]
    vectors = [value for value in reader.parameters() if value.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.98), fused=True)


class Store:
    """The state of a run in a directory; it is replaced whole."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "state.pt"
        directory.mkdir(parents=True, exist_ok=True)

    def save(self, reader: Reader, optimizer: torch.optim.AdamW, place: Place, settings: Settings) -> None:
        """Write the state; a crash leaves the last one."""
        staged = self.file.with_suffix(".new")
        with staged.open("wb") as file:
            torch.save(
                {
                    "reader": reader.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "place": asdict(place),
                    "settings": asdict(settings),
                },
                file,
            )
            file.flush()
            os.fsync(file.fileno())
        staged.replace(self.file)

    def load(self, reader: Reader, optimizer: torch.optim.AdamW, settings: Settings) -> Place:
        """Go on from the state, if there is one.

        Raises:
            ValueError: its settings are others.
        """
        if not self.file.exists():
            return Place()
        state = torch.load(self.file, weights_only=True, map_location="cpu")
        mine = asdict(settings)
        free = ("total", "cool_down")
        other = [f"{k} {v}" for k, v in state["settings"].items() if k not in free and mine[k] != v]
        if other:
            raise ValueError(f"{self.file} was made with {', '.join(other)}; expected the same settings")
        reader.load_state_dict(state["reader"])
        optimizer.load_state_dict(state["optimizer"])
        return Place(**state["place"])


class Stop:
    """Whether the run was asked to end (SIGTERM, SIGINT)."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True


class Run:
    """A training run: what it trains, on what, and how far it is.

    Args:
        reader: what is trained, on its device.
        arrays: examples to train on.
        apart: held-out examples, which are only looked at.
        settings: see there.
        store: keeps the state.
        teacher: directory of a teacher's logits; None: labels alone.
    """

    def __init__(
        self,
        reader: Reader,
        arrays: Arrays,
        apart: Arrays,
        settings: Settings,
        store: Store,
        teacher: Path | None,
    ) -> None:
        self.reader, self.arrays, self.apart = reader, arrays, apart
        self.settings, self.store, self.teacher = settings, store, teacher
        self.device = next(reader.parameters()).device.type
        self.optimizer = optimizer_of(reader, settings)
        self.place = store.load(reader, self.optimizer, settings)
        self.sampling = Sampling(settings.elsewhere, settings.article)
        self.losses: list[float] = []

    def train(self, save_every: float) -> bool:
        """Train until all windows were seen; False: stopped before."""
        stop, place = Stop(), self.place
        print(f"from step {place.step}, {place.seen} seen: {asdict(self.settings)}", flush=True)
        begun, saved = time.monotonic() - place.seconds, time.monotonic()
        for epoch in itertools.count(place.epoch):
            place.epoch = epoch
            drawn, logits = epoch_of(self.arrays, self.sampling, self.settings.seed, epoch, self.teacher)
            made = batches(self.arrays, drawn, self.settings.tokens, (self.settings.seed, epoch))
            for chosen in made[place.batch :]:
                self.step(chosen, logits)
                place.seconds = time.monotonic() - begun
                is_done = place.seen >= self.settings.total
                self.report(len(chosen), is_done)
                if is_done or stop.asked or time.monotonic() - saved > save_every:
                    self.store.save(self.reader, self.optimizer, place, self.settings)
                    saved = time.monotonic()
                if is_done or stop.asked:
                    return is_done
            place.batch = 0
        return True

    def step(self, chosen: list[Window], logits: Teacher | None) -> None:
        """Train on a batch."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate_at(self.place.seen, self.place.step)
        batch = collate(self.arrays, chosen)
        targets = None if logits is None else logits.targets(chosen, batch.allowed)
        loss, _ = loss_of(self.reader, batch, self.device, targets, self.settings.teacher_weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.reader.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.losses.append(float(loss.detach()))
        self.place.seen += len(chosen)
        self.place.batch += 1
        self.place.step += 1

    def report(self, count: int, is_done: bool) -> None:
        """Print the loss, and now and then that of the held-out examples."""
        place = self.place
        if place.step % LOG_STEPS == 0:
            print(
                f"step {place.step} epoch {place.epoch} seen {place.seen} loss {np.mean(self.losses):.4f} "
                f"rate {self.settings.rate_at(place.seen, place.step):.2e} {place.seconds:.0f} s",
                flush=True,
            )
            self.losses.clear()
        if is_done or place.seen // HELD_OUT_EVERY > (place.seen - count) // HELD_OUT_EVERY:
            print(held_out(self.reader, self.apart, self.settings, self.device), flush=True)


def epoch_of(
    arrays: Arrays, sampling: Sampling, seed: int, epoch: int, teacher: Path | None
) -> tuple[list[Window], Teacher | None]:
    """Draw the windows of an epoch; with a teacher, of the one whose logits it has in turn.

    Raises:
        ValueError: the directory holds no logits, or those of other windows.
    """
    if teacher is None:
        return windows(arrays, sampling, (seed, epoch)), None
    kept = sorted(int(file.stem) for file in teacher.glob("*.npz"))
    if not kept:
        raise ValueError(f"{teacher}: no logits; expected those of recipes.logits")
    chosen = kept[epoch % len(kept)]
    drawn = windows(arrays, sampling, (seed, chosen))
    return drawn, Teacher(teacher / f"{chosen}.npz", drawn)


def main() -> None:
    """Train, or go on training, and write the checkpoint at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("start", type=Path, help="start weights: config.json, model.safetensors, tokenizer")
    parser.add_argument("--examples", type=Path, required=True, help="of recipes.prepare, part train")
    parser.add_argument("--held-out", type=Path, required=True, help="of recipes.prepare, part held-out")
    parser.add_argument("--state", type=Path, required=True, help="directory of the run's state")
    parser.add_argument("--out", type=Path, required=True, help="directory of the trained checkpoint")
    parser.add_argument("--total", type=int, default=400_000, help="windows to see (default: %(default)s)")
    parser.add_argument("--cool-down", type=float, default=0.25, help="share at the end (%(default)s)")
    parser.add_argument("--rate", type=float, default=1.2e-4, help="AdamW's rate (default: %(default)s)")
    parser.add_argument("--warm-up", type=int, default=300, help="steps (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=5600, help="of a batch (default: %(default)s)")
    parser.add_argument("--teacher", type=Path, help="directory of recipes.logits; default: labels alone")
    parser.add_argument("--teacher-weight", type=float, help="share of its loss (default: 0.7, or 0)")
    parser.add_argument("--save-every", type=float, default=300, help="seconds (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--elsewhere", type=float, default=Sampling().elsewhere)
    parser.add_argument("--article", type=float, default=Sampling().article)
    options = parser.parse_args()
    if options.teacher_weight is None:
        options.teacher_weight = 0.0 if options.teacher is None else 0.7
    settings = Settings(
        **{name: getattr(options, name) for name in Settings.__dataclass_fields__}  # names are the options'
    )
    torch.manual_seed(settings.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    reader, layout = load_reader(options.start).to(device), layout_of(options.start)
    run = Run(
        reader,
        Arrays.load(options.examples, layout),
        Arrays.load(options.held_out, layout),
        settings,
        Store(options.state),
        options.teacher,
    )
    is_done = run.train(options.save_every)
    if is_done:
        save_checkpoint(reader.state_dict(), options.start, options.out)
    print(json.dumps({"done": is_done, "out": str(options.out) if is_done else None}), flush=True)


if __name__ == "__main__":
    main()
