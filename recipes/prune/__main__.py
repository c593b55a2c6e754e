"""Cut a trained reader in steps and train it after each; resumable at any moment.

    python -m recipes.prune TRAINED --layers 12 --heads 6 --units 1536 --steps 0.5 0.8 1 --teacher TEACHER \
        --examples train.npz --held-out held-out.npz --state DIR --out DIR

All layers of the result have the same size. ``--steps``: shares of the cut, after each of which the network
is trained; importance is measured anew before each (see `recipes.prune.importance`). ``--teacher``: a
checkpoint, whose logits and hidden states are computed beside, or a directory of `recipes.logits`. The
rest is as in `recipes.train`; the rate rises again after each cut.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from recipes.checkpoint import layout_of, load_reader, save_checkpoint
from recipes.prune.run import Pruning, PruningRun
from recipes.training import Store, add_options, data_of, device, settings_of, train


def main(arguments: Sequence[str] | None = None) -> None:
    """Prune, or go on pruning, and write the checkpoint at the end."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.prune",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add_options(parser)
    parser.add_argument("--layers", type=int, required=True, help="of the result")
    parser.add_argument("--heads", type=int, required=True, help="of each of its layers")
    parser.add_argument("--units", type=int, required=True, help="of each of its layers")
    parser.add_argument("--steps", type=float, nargs="+", default=[0.5, 0.8, 1.0], help="(%(default)s)")
    parser.add_argument("--last", type=float, default=0.5, help="share of the run after the last cut")
    parser.add_argument("--measured", type=int, default=1024, help="windows before a cut (%(default)s)")
    parser.add_argument("--teacher", type=Path, help="checkpoint, or directory of recipes.logits")
    parser.add_argument("--hidden-weight", type=float, help="of the hidden states' loss (default: 1, or 0)")
    options = parser.parse_args(arguments)
    options.steps = tuple(options.steps)
    is_network = options.teacher is not None and (options.teacher / "config.json").exists()
    if options.hidden_weight is None:
        options.hidden_weight = 1.0 if is_network else 0.0
    settings = settings_of(Pruning, options, has_teacher=options.teacher is not None)
    torch.manual_seed(settings.seed)
    teacher = None
    if is_network:
        if layout_of(options.teacher) != layout_of(options.start):
            raise ValueError(
                f"{options.teacher}: its tokens differ from those of {options.start}; expected a directory "
                "of its logits"
            )
        teacher = load_reader(options.teacher, fused=options.fused_attention).to(device())
    reader = load_reader(options.start, fused=options.fused_attention).to(device())
    data = data_of(options, None if is_network else options.teacher)
    run = PruningRun(reader, data, settings, Store(options.state), teacher)
    is_done = train(run, options)
    if is_done:
        save_checkpoint(run.reader.shape, run.reader.state_dict(), options.start, options.out)
    print(json.dumps({"done": is_done, "out": str(options.out) if is_done else None}), flush=True)


if __name__ == "__main__":
    main()
