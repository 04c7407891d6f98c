"""The process of a tiny job: steps with checkpoints, then the records; without importing anything heavy.

python tiny_run.py FOLDER BEHAVE SEED STEPS STEP_SECONDS

BEHAVE: ``train``, or how it fails at step 2: ``nan``, ``raise``, ``kill``, ``hang``; ``kill once`` fails the
first time only; ``quiet`` ends well without records; ``silent`` fails without a word.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path


def end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("iter_*.pth"), key=lambda path: int(path.stem.split("_")[1]))


def main() -> None:
    folder, behave, seed, steps, step_seconds = Path(sys.argv[1]), sys.argv[2], *sys.argv[3:]
    threading.Thread(target=end_with_parent, daemon=True).start()
    with (folder / "starts").open("a") as file:
        file.write(f"{os.getpid()} {os.getppid()}\n")
    saved = checkpoints(folder)
    first, state = json.loads(saved[-1].read_text()) if saved else (0, int(seed))
    if behave == "quiet":
        return
    if behave == "silent":
        os._exit(3)
    for step in range(first + 1, int(steps) + 1):
        time.sleep(float(step_seconds))
        state = (state * 1103515245 + 12345) % 2**31
        if step == 2 and behave == "nan":
            print("failed: the loss became nan at iteration 2")
            sys.exit(1)
        while step == 2 and behave == "hang":
            time.sleep(1)
        if step == 2 and behave == "raise":
            raise RuntimeError("shapes do not match")
        if step == 2 and (behave == "kill" or (behave == "kill once" and not saved)):
            os.kill(os.getpid(), signal.SIGKILL)
        part = folder / "part"
        part.write_text(json.dumps([step, state]))
        part.replace(folder / f"iter_{step}.pth")
    for template in json.loads((folder / "plan" / "records.json").read_text()):
        if template["kind"] == "accuracy":
            template["values"]["miou_percent"] = state / 2**31
        path = folder / "records" / f"{template['kind']}-{template['id']}.json"
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".part").write_text(json.dumps(template))
        path.with_suffix(".part").replace(path)


main()
