"""How many of the first suspects of `review` really have wrong labels, where the true ones are known?

python -m benchmarks.label_errors RUN --truth TRUE.csv      the table: fname,labels
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tagging.data.labels import encode_labels
from tagging.data.tables import read_table
from tagging.review.clips import read_clips
from tagging.review.queue import WRONG, find_label_errors, queue
from tagging.tracking.store import Store


def main() -> None:
    """Print precision and recall among the first suspects, and the estimated number of errors beside the true one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--first", type=int, default=50)
    arguments = parser.parse_args()
    store = Store.connect()
    clips = read_clips(store, [store.resolve(arguments.run)])
    columns = read_table(arguments.truth, ("fname", "labels")).columns
    true = dict(zip(columns["fname"], encode_labels(columns["labels"], clips.dataset.classes)[0] > 0, strict=True))
    different = [clips.given[clip] != true[fname] for clip, fname in enumerate(clips.curated.fnames)]
    wrong = {clip for clip, each in enumerate(different) if each.any()}
    errors = find_label_errors(clips)
    suspects = [one.clip for one in queue(clips, errors) if any(reason.kind == WRONG for reason in one.reasons)]
    first = suspects[: arguments.first]
    hits = len(wrong & set(first))
    print(f"{len(wrong)} of {len(different)} clips have wrong labels; {len(suspects)} are suspects")
    print(f"of the first {len(first)} suspects {hits} have wrong labels: precision {hits / max(1, len(first)):.3f}")
    print(f"recall among these {hits / max(1, len(wrong)):.3f}")
    labels = sum(int(each.sum()) for each in different)
    print(f"labels wrong or missing: {labels}, estimated {errors.expected:.1f}")


if __name__ == "__main__":
    main()
