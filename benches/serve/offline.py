"""The same questions by `Reader.ask_many`, in a process of its own.

python -m benches.serve.offline SQUAD COUNT
"""

import json
import random
import sys
import time
from pathlib import Path

from spanjet import Reader
from spanjet.files.datasets.squad import load_squad


def main() -> None:
    """Answer questions for as many seconds as each line of the input says, and print their number."""
    questions = load_squad(Path(sys.argv[1])).questions
    chosen = random.Random(0).choices(questions, k=int(sys.argv[2]))
    pairs = [each.question for each in chosen], [each.context for each in chosen]
    reader = Reader()
    reader.ask_many(*pairs)
    print("ready", flush=True)
    for line in sys.stdin:
        end = time.monotonic() + float(line)
        asked, began, cpu = 0, time.monotonic(), time.process_time()
        while time.monotonic() < end:
            reader.ask_many(*pairs)
            asked += len(chosen)
        spent = {"wall": time.monotonic() - began, "cpu": time.process_time() - cpu}
        print(json.dumps({"asked": asked, **spent}), flush=True)


if __name__ == "__main__":
    main()
