"""Train a network on drawn windows, resumable at any moment."""

import argparse
import math
import os
import signal
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recipes.checkpoint import layout_of
from recipes.examples import MAX_LENGTH, Arrays, Sampling, Window, batches, collate, windows
from recipes.logits import Teacher
from recipes.losses import Distillation, Inputs, answer_loss, exact
from recipes.model import Reader

LOG_STEPS = 100
EARLY_STEPS = 10
"""Steps after which the speed is printed for the first time."""
HELD_OUT_EVERY = 20_000
"""Windows from one look at the held-out questions to the next."""
HELD_OUT_WINDOWS = 2000


@dataclass(slots=True)
class Place:
    """How far a run is.

    Attributes:
        epoch, batch: ``batch`` batches of the epoch are done.
        step: steps that were made.
        seen: windows that were trained on.
        seconds: time that was spent.
        begun: step at which the optimizer began anew.
        cuts: how often the network was cut.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seen: int = 0
    seconds: float = 0.0
    begun: int = 0
    cuts: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run depends on; a state of other settings is refused, its length aside.

    Attributes:
        total: windows seen in the whole run; 0: its length is ``minutes``.
        cool_down: share of the run, at its end, over which the rate falls to 0.
        rate: of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101).
        warm_up: steps over which it rises.
        tokens: rows times length of a batch at most.
        seed: of the answer head, the windows and their order.
        elsewhere, article, unanswered, max_length: see `Sampling`.
        frozen: layers at the bottom that stay as they are, with the embeddings and relative biases below
            them; 0: everything is trained.
        minutes: time that the run takes in all, in place of ``total``.
        teacher_weight, temperature, hidden_weight: see `Distillation`.
    """

    total: int
    cool_down: float
    rate: float
    warm_up: int
    tokens: int
    seed: int
    elsewhere: float
    article: float
    unanswered: float = 1.0
    max_length: int = MAX_LENGTH
    frozen: int = 0
    minutes: float = 0.0
    teacher_weight: float = 0.0
    temperature: float = 1.0
    hidden_weight: float = 0.0

    def __post_init__(self) -> None:
        if (self.total > 0) == (self.minutes > 0):
            raise ValueError("a run has a number of windows (--total) or a time (--minutes); expected one")
        if self.warm_up < 1:
            raise ValueError(f"warm_up is {self.warm_up} steps; expected at least 1")
        for name in ("cool_down", "teacher_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 to 1")

    def progress(self, place: Place) -> float:
        """Compute the share of the run that is done."""
        return place.seconds / (60 * self.minutes) if self.minutes else place.seen / self.total

    def rate_at(self, place: Place) -> float:
        """Compute the rate of the next step."""
        left = (1 - self.progress(place)) / self.cool_down if self.cool_down else 1.0
        return self.rate * min(1.0, (place.step - place.begun + 1) / self.warm_up, max(0.0, left))

    @property
    def sampling(self) -> Sampling:
        """Return which windows are drawn."""
        return Sampling(self.elsewhere, self.article, self.unanswered, self.max_length)

    @property
    def weights(self) -> Distillation:
        """Return the weights of the losses."""
        return Distillation(self.teacher_weight, self.temperature, self.hidden_weight)


class Store:
    """The state of a run in a directory; it is replaced whole."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "state.pt"
        directory.mkdir(parents=True, exist_ok=True)

    def save(self, state: dict[str, Any]) -> None:
        """Write the state; a crash leaves the last one."""
        staged = self.file.with_suffix(".new")
        with staged.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(self.file)

    def load(self, settings: Settings) -> dict[str, Any] | None:
        """Read the state, if there is one.

        Raises:
            ValueError: its settings are others.
        """
        if not self.file.exists():
            return None
        state: dict[str, Any] = torch.load(self.file, weights_only=True, map_location="cpu")
        # What a state does not name was not there yet, and had its default.
        defaults = {each.name: each.default for each in fields(settings)}
        made, free = {**defaults, **state["settings"]}, ("total", "cool_down", "minutes")
        other = [
            f"{name} {made[name]}, not {value}"
            for name, value in asdict(settings).items()
            if name not in free and made[name] != value
        ]
        if other:
            raise ValueError(f"{self.file} was made with {', '.join(other)}; expected the same settings")
        return state


class Stop:
    """Whether the run was asked to end (SIGTERM, SIGINT)."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True


@dataclass(frozen=True, slots=True)
class Data:
    """What is trained on.

    Attributes:
        train: examples to train on.
        held_out: examples that are only looked at.
        logits: directory of a teacher's logits (see `recipes.logits`); None: there are none.
    """

    train: Arrays
    held_out: Arrays
    logits: Path | None = None


@dataclass(slots=True)
class Log:
    """What was seen since the last line of the log, on the device."""

    losses: list[Tensor] = field(default_factory=list)
    windows: int = 0
    seconds: float = 0.0


class Run:
    """A training run: what it trains, on what, and how far it is.

    Args:
        reader: what is trained, on its device.
        data: see there.
        settings: see there.
        store: keeps the state; the run goes on from it.
    """

    def __init__(self, reader: Reader, data: Data, settings: Settings, store: Store) -> None:
        self.reader, self.data, self.settings, self.store = reader, data, settings, store
        self.device = next(reader.parameters()).device.type
        reader.freeze(settings.frozen)
        self.place, self.log = Place(), Log()
        self.optimizer = self.new_optimizer()
        state = store.load(settings)
        if state is not None:
            self.restore(state)

    def state(self) -> dict[str, Any]:
        """Return all that the rest of the run depends on."""
        return {
            "reader": self.reader.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "place": asdict(self.place),
            "settings": asdict(self.settings),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.reader.load_state_dict(state["reader"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.place = Place(**state["place"])

    def loss(self, inputs: Inputs, chosen: list[Window], taught: Teacher | None) -> Tensor:
        """Compute the loss of a batch."""
        targets = None if taught is None else taught.targets(chosen, inputs.batch.allowed)
        return answer_loss(inputs.ask(self.reader), inputs, targets, self.settings.weights)

    def prepare_step(self) -> None:
        """Change the network before a step, where the run has come so far; nothing here."""

    @property
    def is_done(self) -> bool:
        """Tell whether the run has its length."""
        return self.settings.progress(self.place) >= 1

    def train(self, *, save_every: float = 300, stop_after: float = math.inf) -> bool:
        """Train until the run has its length.

        Args:
            save_every: seconds from one state to the next.
            stop_after: seconds after which the run is stopped, to be continued.

        Returns:
            False: it was stopped before its end, and its state is stored.
        """
        stop, place, entered = Stop(), self.place, time.monotonic()
        print(f"from step {place.step}, {place.seen} seen: {asdict(self.settings)}", flush=True)
        begun, saved = entered - place.seconds, entered
        self.log.seconds = place.seconds
        while not self.is_done:
            drawn, taught = epoch_of(self.data, self.settings, place.epoch)
            made = batches(self.data.train, drawn, self.settings.tokens, (self.settings.seed, place.epoch))
            for chosen in made[place.batch :]:
                self.prepare_step()
                self.step(chosen, taught)
                place.seconds = time.monotonic() - begun
                self.report(len(chosen))
                ends = self.is_done or stop.asked or time.monotonic() - entered > stop_after
                if ends or time.monotonic() - saved > save_every:
                    self.store.save(self.state())
                    saved = time.monotonic()
                if ends:
                    return self.is_done
            place.epoch, place.batch = place.epoch + 1, 0
        return True

    def step(self, chosen: list[Window], taught: Teacher | None) -> None:
        """Train on a batch."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate_at(self.place)
        loss = self.loss(Inputs(collate(self.data.train, chosen), self.device), chosen, taught)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.reader.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.log.losses.append(loss.detach())
        self.log.windows += len(chosen)
        self.place.seen += len(chosen)
        self.place.batch += 1
        self.place.step += 1

    def report(self, count: int) -> None:
        """Print loss and speed, and now and then the loss of the held-out examples."""
        place, log = self.place, self.log
        if place.step % LOG_STEPS == 0 or place.step - place.begun == EARLY_STEPS:
            loss = float(torch.stack(log.losses).mean())
            speed = log.windows / max(1e-9, place.seconds - log.seconds)
            print(
                f"step {place.step} epoch {place.epoch} seen {place.seen} loss {loss:.4f} "
                f"rate {self.settings.rate_at(place):.2e} {place.seconds:.0f} s {speed:.1f} windows/s "
                f"{self.settings.progress(place):.1%} done",
                flush=True,
            )
            self.log = Log(seconds=place.seconds)
        if self.is_done or place.seen // HELD_OUT_EVERY > (place.seen - count) // HELD_OUT_EVERY:
            print(held_out(self.reader, self.data.held_out, self.settings, self.device), flush=True)

    def new_optimizer(self) -> torch.optim.AdamW:
        """Make AdamW with weight decay on the matrices alone."""
        trained = [value for value in self.reader.parameters() if value.requires_grad]
        matrices = [value for value in trained if value.ndim > 1]
        vectors = [value for value in trained if value.ndim == 1]
        groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=self.settings.rate, betas=(0.9, 0.98), fused=True)


def held_out(reader: Reader, arrays: Arrays, settings: Settings, device: str) -> str:
    """Measure loss and exact matches of 2,000 held-out windows, the same each time."""
    found = windows(arrays, Sampling(settings.elsewhere, settings.article), (0, 0))
    chosen = [found[index] for index in np.random.default_rng(0).permutation(len(found))[:HELD_OUT_WINDOWS]]
    total = right = 0.0
    with torch.no_grad():
        for batch in batches(arrays, chosen, settings.tokens, (0, 0)):
            inputs = Inputs(collate(arrays, batch), device)
            logits = inputs.ask(reader)
            total += float(answer_loss(logits, inputs, None, Distillation())) * len(batch)
            right += float(exact(logits, inputs).sum())
    return f"held-out loss {total / len(chosen):.4f} exact {right / len(chosen):.4f}"


def epoch_of(data: Data, settings: Settings, epoch: int) -> tuple[list[Window], Teacher | None]:
    """Draw the windows of an epoch; with a teacher's logits, of the epoch that they have in turn.

    Raises:
        ValueError: the directory holds no logits, or those of other windows.
    """
    if data.logits is None:
        return windows(data.train, settings.sampling, (settings.seed, epoch)), None
    kept = sorted(int(file.stem) for file in data.logits.glob("*.npz"))
    if not kept:
        raise ValueError(f"{data.logits}: no logits; expected those of recipes.logits")
    chosen = kept[epoch % len(kept)]
    drawn = windows(data.train, settings.sampling, (settings.seed, chosen))
    return drawn, Teacher(data.logits / f"{chosen}.npz", drawn)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every run."""
    parser.add_argument("start", type=Path, help="checkpoint: config.json, model.safetensors, tokenizer")
    parser.add_argument("--examples", type=Path, required=True, help="of recipes.prepare, part train")
    parser.add_argument("--held-out", type=Path, required=True, help="of recipes.prepare, part held-out")
    parser.add_argument("--state", type=Path, required=True, help="directory of the run's state")
    parser.add_argument("--out", type=Path, required=True, help="directory of the trained checkpoint")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--total", type=int, help="windows to see (default: 400000)")
    length.add_argument("--minutes", type=float, default=0.0, help="time to spend, in all calls together")
    parser.add_argument("--stop-after", type=float, default=math.inf, help="seconds of this call")
    parser.add_argument("--cool-down", type=float, default=0.25, help="share at the end (%(default)s)")
    parser.add_argument("--rate", type=float, default=1.2e-4, help="AdamW's rate (default: %(default)s)")
    parser.add_argument("--warm-up", type=int, default=300, help="steps (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=5600, help="of a batch (default: %(default)s)")
    parser.add_argument("--teacher-weight", type=float, help="share of its loss (default: 0.7, or 0)")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the logits (%(default)s)")
    parser.add_argument("--save-every", type=float, default=300, help="seconds (default: %(default)s)")
    parser.add_argument("--fused-attention", action="store_true", help="torch's attention kernels")
    parser.add_argument("--seed", type=int, default=0)
    for name in ("elsewhere", "article", "unanswered"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Sampling(), name), help="see Sampling")
    parser.add_argument("--max-length", type=int, default=MAX_LENGTH, help="of a window (%(default)s)")


def settings_of(kind: type[Settings], options: argparse.Namespace, *, has_teacher: bool) -> Any:
    """Read the settings of a run from the options of the same names."""
    if options.teacher_weight is None:
        options.teacher_weight = 0.7 if has_teacher else 0.0
    if options.total is None:
        options.total = 0 if options.minutes else 400_000
    names = [each.name for each in fields(kind)]
    return kind(**{name: getattr(options, name) for name in names if hasattr(options, name)})


def data_of(options: argparse.Namespace, logits: Path | None) -> Data:
    """Read the examples that the options name."""
    layout = layout_of(options.start)
    return Data(Arrays.load(options.examples, layout), Arrays.load(options.held_out, layout), logits)


def device() -> str:
    """Choose where to train."""
    return "cuda" if torch.cuda.is_available() else "cpu"
