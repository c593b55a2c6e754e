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
from numpy.typing import NDArray
from torch import Tensor

from recipes.checkpoint import layout_of
from recipes.examples import MAX_LENGTH, Arrays, Sampling, batches, collate, windows
from recipes.loading import Data, Step, steps
from recipes.losses import Distillation, Inputs, answer_loss, exact
from recipes.model import Reader
from recipes.settings import Place, Settings

LOG_STEPS = 100
EARLY_STEPS = 10
"""Steps after which the speed is printed for the first time."""
HELD_OUT_WINDOWS = 2000


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
    """Whether the run was asked to end: inside of it, SIGTERM and SIGINT only ask."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "Stop":
        self._before = {
            number: signal.signal(number, self._ask) for number in (signal.SIGTERM, signal.SIGINT)
        }
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True


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

    def loss(self, inputs: Inputs, targets: NDArray[np.float32] | None) -> Tensor:
        """Compute the loss of a batch; ``targets``: see `Step`."""
        return answer_loss(inputs.ask(self.reader), inputs, targets, self.settings.weights)

    def prepare_step(self) -> None:
        """Change the network before a step, where the run has come so far; nothing here."""

    @property
    def is_done(self) -> bool:
        """Tell whether the run has its length."""
        return self.settings.progress(self.place) >= 1

    def train(
        self,
        *,
        save_every: float = 300,
        stop_after: float = math.inf,
        look_every: int = 20_000,
        processes: int = 0,
    ) -> bool:
        """Train until the run has its length.

        Args:
            save_every: seconds from one state to the next.
            stop_after: seconds after which the run is stopped, to be continued.
            look_every: windows from one look at the held-out examples to the next.
            processes: that make batches ahead.

        Returns:
            False: it was stopped, before its end or in its last step, and its state is stored.
        """
        place, entered = self.place, time.monotonic()
        print(f"from step {place.step}, {place.seen} seen: {asdict(self.settings)}", flush=True)
        begun, saved = entered - place.seconds, entered
        self.log.seconds = place.seconds
        if self.is_done:
            return True
        with Stop() as stop:
            for step in steps(self.data, self.settings, place, processes=processes):
                self.prepare_step()
                self.step(step)
                place.seconds = time.monotonic() - begun
                self.report(len(step.batch.ids), look_every)
                ends = self.is_done or stop.asked or time.monotonic() - entered > stop_after
                if ends or time.monotonic() - saved > save_every:
                    self.store.save(self.state())
                    saved = time.monotonic()
                if ends:
                    break
        return self.is_done and not stop.asked

    def step(self, step: Step) -> None:
        """Train on a batch."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate_at(self.place)
        if self.settings.dropout:
            # Of the step alone, so that a run that was stopped goes on as one that was not.
            torch.manual_seed(self.settings.seed * 1_000_003 + self.place.step)
        self.reader.dropout = self.settings.dropout
        loss = self.loss(Inputs(step.batch, self.device), step.targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.reader.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        count = len(step.batch.ids)
        self.log.losses.append(loss.detach())
        self.log.windows += count
        self.place.seen += count
        self.place.step += 1
        self.place.epoch, self.place.batch = step.epoch, step.done

    def report(self, count: int, look_every: int) -> None:
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
        if self.is_done or place.seen // look_every > (place.seen - count) // look_every:
            print(held_out(self.reader, self.data.held_out, self.settings, self.device), flush=True)

    def new_optimizer(self) -> torch.optim.AdamW:
        """Make AdamW of what is trained, with weight decay on the matrices alone."""
        self.reader.freeze(self.settings.frozen)
        if self.settings.frozen_tables:
            self.reader.freeze_tables()
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
    reader.dropout = 0.0
    with torch.no_grad():
        for batch in batches(arrays, chosen, settings.tokens, (0, 0)):
            inputs = Inputs(collate(arrays, batch), device)
            logits = inputs.ask(reader)
            total += float(answer_loss(logits, inputs, None, Distillation())) * len(batch)
            right += float(exact(logits, inputs).sum())
    return f"held-out loss {total / len(chosen):.4f} exact {right / len(chosen):.4f}"


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
    parser.add_argument("--frozen-tables", action="store_true", help="word table and relative biases stay")
    parser.add_argument("--save-every", type=float, default=300, help="seconds (default: %(default)s)")
    parser.add_argument("--look-every", type=int, default=20_000, help="windows to a held-out loss")
    parser.add_argument("--processes", type=int, default=0, help="that make batches ahead (%(default)s)")
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


def train(run: Run, options: argparse.Namespace) -> bool:
    """Train as the options say; False: stopped before the end."""
    return run.train(
        save_every=options.save_every,
        stop_after=options.stop_after,
        look_every=options.look_every,
        processes=options.processes,
    )


def data_of(options: argparse.Namespace, logits: Path | None) -> Data:
    """Read the examples that the options name."""
    layout = layout_of(options.start)
    return Data(Arrays.load(options.examples, layout), Arrays.load(options.held_out, layout), logits)


def device() -> str:
    """Choose where to train."""
    return "cuda" if torch.cuda.is_available() else "cpu"
