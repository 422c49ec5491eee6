"""The command line of a kernel that predicts."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tagging.commandline import exit_status, minutes
from tagging.data.findings import limited
from tagging.data.tables import write_table
from tagging.errors import UserError
from tagging.inference.blend import Probabilities, check_finite
from tagging.kernel.clock import Clock, Reading, label
from tagging.kernel.networks import best_device, blended, run_networks
from tagging.kernel.plan import Plan, check_weights
from tagging.predicting.new_sound import Listing, Sound, list_clips, read_sounds
from tagging.report.wording import count, span


def main(plan: Plan, folder: Path, started: float, arguments: Sequence[str] | None = None) -> int:
    """Tag the sound that the command line names; return 0, 2 for an error the user can mend, 130 when interrupted.

    The status is 0 where clips cannot be read, too: they have a row all the same. The weights lie in `folder`/weights.
    `started` is the start of the process by time.monotonic.
    """
    parsed = parser(plan).parse_args(arguments)
    limit = None if parsed.time_limit is None else 60 * parsed.time_limit
    clock = Clock(started, limit)
    return exit_status(lambda: predict(plan, folder / "weights", parsed, clock), "nothing is written")


def parser(plan: Plan) -> argparse.ArgumentParser:
    """Return the parser of a kernel's command line."""
    limit = "no limit" if plan.time_limit is None else f"{plan.time_limit:g}"
    parser = argparse.ArgumentParser(description=f"Tags sound with {plan.run}.")
    parser.add_argument("--sound", required=True, type=Path, metavar="FOLDER", help="the sound to tag")
    parser.add_argument("--sample", type=Path, metavar="FILE", help="sample_submission.csv, which gives the order")
    parser.add_argument("--out", type=Path, default=Path("submission.csv"), metavar="FILE", help="default: %(default)s")
    parser.add_argument(
        "--time-limit",
        type=minutes,
        default=plan.time_limit,
        metavar="MINUTES",
        help=f"leave networks out rather than take longer, from the process's start on (default: {limit})",
    )
    return parser


def predict(plan: Plan, weights: Path, parsed: argparse.Namespace, clock: Clock) -> None:
    """Tag the clips and write the submission."""
    check_modules(plan)
    check_weights(plan, weights)
    check_writable(parsed.out)
    listing = list_clips(parsed.sound, parsed.sample, plan.classes)
    tag(plan, weights, listing, read_clips(plan, listing, clock), parsed.out, clock)


def read_clips(plan: Plan, listing: Listing, clock: Clock) -> Sound:
    """Read the clips for the front ends of the plan's networks, and name those that cannot be read."""
    began = clock.elapsed
    sound = read_sounds(listing.paths, [network.front_end for network in plan.networks], Reading(clock))
    warn_of_unreadable(sound)
    read, seconds = sound.readable.sum(), clock.elapsed - began
    print(f"sound: {read} of {len(sound.readable)} clips in {span(seconds)}", flush=True)
    return sound


def tag(plan: Plan, weights: Path, listing: Listing, sound: Sound, out: Path, clock: Clock) -> None:
    """Predict the clips that could be read and write the submission; where there is none, its rows are equal."""
    if not sound.tables:
        rows = np.full((len(listing.fnames), len(plan.classes)), 1 / len(plan.classes), np.float32)
        write(rows, listing, plan.classes, out)
        left = "all rows are equal" if len(rows) else "the table has a header alone"
        print(
            f"warning: there is no clip that can be read; {left}\nwrote {out}: {count(len(rows), 'clip')}", flush=True
        )
        return
    device = best_device()
    tables = {front_end: table.placed(device) for front_end, table in sound.tables.items()}
    done, dropped = run_networks(plan, tables, weights, device, clock)
    found = blended(plan, done, weights)
    rows = np.tile(found.mean(axis=0), (len(sound.readable), 1))  # of a clip that cannot be read: the others' mean
    rows[sound.readable] = found
    check_finite(rows, plan.run, "nothing is written")
    write(rows, listing, plan.classes, out)
    if dropped:
        print(f"warning: left out for the time limit: {'; '.join(map(label, dropped))}", flush=True)
    if clock.limit is not None and clock.elapsed > clock.limit:  # the first network runs in any case
        print(f"warning: the time limit of {span(clock.limit)} is passed: {span(clock.elapsed)}", flush=True)
    if sound.problems:
        warn_of_unreadable(sound)
        print(f"warning: {sound.readable.sum()} of {len(rows)} clips tagged; the others are named above", flush=True)
    print(f"wrote {out}: {len(rows)} clips by {count(len(done), 'network')} in {span(clock.elapsed)}", flush=True)


def check_modules(plan: Plan) -> None:
    """Stop where this machine lacks a library that the networks need."""
    lacking = [name for name in plan.modules if importlib.util.find_spec(name) is None]
    if lacking:
        raise UserError(f"networks of {plan.run} need {', '.join(lacking)}, which is not installed here; install it")


def check_writable(out: Path) -> None:
    """Stop before any work where the submission could not be written."""
    before = out.exists()
    try:
        with out.open("a"):
            pass
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from None
    if not before:
        out.unlink()


def write(rows: Probabilities, listing: Listing, classes: Sequence[str], out: Path) -> None:
    """Write a submission whose columns stand in the order of the listing."""
    order = [list(classes).index(name) for name in listing.columns]
    texts = ([f"{value:.8g}" for value in row] for row in rows[:, order].tolist())
    lines = ([fname, *row] for fname, row in zip(listing.fnames, texts, strict=True))
    write_table(out, [["fname", *listing.columns], *lines])


def warn_of_unreadable(sound: Sound) -> None:
    """Name the clips that cannot be read, and what stands in their rows."""
    row = "; its row is the mean of all others" if sound.tables else ""
    for line in limited(sound.problems, lambda problem: f"{problem}{row}", "such clips"):
        print(f"warning: {line}", flush=True)
