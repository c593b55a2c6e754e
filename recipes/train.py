"""Train a reader on prepared examples, on a CPU (bfloat16) or a GPU; resumable at any moment.

    python -m recipes.train START --examples train.npz --held-out held-out.npz --state DIR --out DIR

Run it again with the same ``--state`` and it goes on where it was: weights, optimiser, and place in the data.
The rate is constant and falls to 0 over the last part of the run (``--cool-down``), so that a run can be made
longer as long as that part has not begun. With ``--teacher``, answers are learned from a teacher's logits too
(Hinton et al. 2015, arXiv 1503.02531); of the epochs that `recipes.logits` kept, each is used again in turn.
With ``--minutes``, the length of the run is a time; it then does not end with the same bits each time.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from recipes.checkpoint import load_reader, save_checkpoint
from recipes.settings import Settings
from recipes.training import Run, Store, add_options, data_of, device, settings_of, train


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or go on training, and write the checkpoint at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_options(parser)
    parser.add_argument("--teacher", type=Path, help="directory of recipes.logits; default: labels alone")
    parser.add_argument("--frozen", type=int, default=0, help="layers at the bottom that are not trained")
    parser.add_argument("--dropout", type=float, default=0.0, help="share (default: %(default)s)")
    options = parser.parse_args(arguments)
    settings = settings_of(Settings, options, has_teacher=options.teacher is not None)
    torch.manual_seed(settings.seed)
    reader = load_reader(options.start, fused=options.fused_attention).to(device())
    run = Run(reader, data_of(options, options.teacher), settings, Store(options.state))
    is_done = train(run, options)
    if is_done:
        save_checkpoint(reader.shape, reader.state_dict(), options.start, options.out)
    print(json.dumps({"done": is_done, "out": str(options.out) if is_done else None}), flush=True)


if __name__ == "__main__":
    main()
