"""Train a reader on prepared examples, on a CPU (bfloat16) or a GPU; resumable at any moment.

    python -m recipes.train START --examples train.npz --held-out held-out.npz --state DIR --out DIR

Run it again with the same ``--state`` and it goes on where it was: weights, optimiser, and place in the data.
The rate is constant and falls to 0 over the last part of the run (``--cool-down``), so that a run can be made
longer as long as that part has not begun.
"""

import argparse
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
from torch import Tensor

from recipes.examples import Arrays, Batch, Layout, Sampling, batches, collate, epochs, windows
from recipes.model import Reader, load_reader, save_checkpoint

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
    """

    total: int
    cool_down: float
    rate: float
    warm_up: int
    tokens: int
    seed: int
    elsewhere: float
    article: float

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


def layout_of(start: Path) -> Layout:
    """Read how a start directory's model takes questions and contexts."""
    family = json.loads((start / "config.json").read_text(encoding="utf-8"))["model_type"]
    entries = (start / "vocab.txt").read_text(encoding="utf-8").split("\n")
    is_mpnet = family == "mpnet"
    names = ("<s>", "</s>", "<pad>") if is_mpnet else ("[CLS]", "[SEP]", "[PAD]")
    cls, sep, pad = (entries.index(name) for name in names)
    return Layout(cls, sep, pad, between=2 if is_mpnet else 1)


def loss_of(reader: Reader, batch: Batch, device: str) -> tuple[Tensor, Tensor]:
    """Measure the mean cross-entropy of first and last tokens; tell which windows are answered exactly."""
    ids, types, mask, allowed, first, last = (torch.from_numpy(values).to(device) for values in batch)
    start, end = reader(ids, mask, types)
    start, end = (logits.masked_fill(~allowed, -10_000.0) for logits in (start, end))
    loss = (functional.cross_entropy(start, first) + functional.cross_entropy(end, last)) / 2
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


def train(
    reader: Reader,
    arrays: Arrays,
    apart: Arrays,
    settings: Settings,
    store: Store,
    device: str,
    save_every: float,
) -> bool:
    """Train until all windows were seen; False: stopped before."""
    optimizer = optimizer_of(reader, settings)
    place = store.load(reader, optimizer, settings)
    stop = Stop()
    sampling = Sampling(settings.elsewhere, settings.article)
    print(f"from step {place.step}, {place.seen} seen: {asdict(settings)}", flush=True)
    begun, saved, running = time.monotonic() - place.seconds, time.monotonic(), 0.0
    for epoch, made in epochs(arrays, sampling, settings.tokens, settings.seed, place.epoch):
        place.epoch = epoch
        for chosen in made[place.batch :]:
            for group in optimizer.param_groups:
                group["lr"] = settings.rate_at(place.seen, place.step)
            loss, _ = loss_of(reader, collate(arrays, chosen), device)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            running += float(loss.detach())
            before = place.seen // HELD_OUT_EVERY
            place.seen += len(chosen)
            place.batch += 1
            place.step += 1
            place.seconds = time.monotonic() - begun
            is_done = place.seen >= settings.total
            if place.step % LOG_STEPS == 0:
                print(
                    f"step {place.step} epoch {epoch} seen {place.seen} loss {running / LOG_STEPS:.4f} "
                    f"rate {settings.rate_at(place.seen, place.step):.2e} {place.seconds:.0f} s",
                    flush=True,
                )
                running = 0.0
            if place.seen // HELD_OUT_EVERY > before or is_done:
                print(held_out(reader, apart, settings, device), flush=True)
            if is_done or stop.asked or time.monotonic() - saved > save_every:
                store.save(reader, optimizer, place, settings)
                saved = time.monotonic()
            if is_done or stop.asked:
                return is_done
        place.batch = 0
    return True


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
    parser.add_argument("--save-every", type=float, default=300, help="seconds (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--elsewhere", type=float, default=Sampling().elsewhere)
    parser.add_argument("--article", type=float, default=Sampling().article)
    options = parser.parse_args()
    settings = Settings(
        **{name: getattr(options, name) for name in Settings.__dataclass_fields__}  # names are the options'
    )
    torch.manual_seed(settings.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    reader, layout = load_reader(options.start).to(device), layout_of(options.start)
    is_done = train(
        reader,
        Arrays.load(options.examples, layout),
        Arrays.load(options.held_out, layout),
        settings,
        Store(options.state),
        device,
        options.save_every,
    )
    if is_done:
        save_checkpoint(reader.state_dict(), options.start, options.out)
    print(json.dumps({"done": is_done, "out": str(options.out) if is_done else None}), flush=True)


if __name__ == "__main__":
    main()
