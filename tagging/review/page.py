"""The page of a review, by NiceGUI: for this machine alone, with nothing from elsewhere."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

from tagging.data.audio import SoundFile, announced_seconds
from tagging.data.label_lists import REMOVE
from tagging.errors import UserError
from tagging.loopback import HOST, check_free, has_display
from tagging.progress import say
from tagging.report.sound import RATE, SIZE, Excerpt, excerpt, first_part, time_axis
from tagging.report.wording import count
from tagging.review.decisions import CONFLICT, KEEP, RELABEL, SKIP, TRUST, UNDO
from tagging.review.queue import KINDS, Suspect, labels_of
from tagging.review.workbench import Workbench

try:
    from fastapi import Response
    from fastapi.middleware.trustedhost import TrustedHostMiddleware
    from nicegui import app, ui
    from nicegui.element import Element
    from nicegui.elements.mixins.text_element import TextElement
    from nicegui.events import KeyEventArguments
except ImportError as error:
    raise UserError(
        f"the page needs NiceGUI, which cannot be imported ({error}): pip install -r requirements-pages.txt"
    ) from None

FOLDER = Path(__file__).parent
KEYS = {KEEP: "k", RELABEL: "r", REMOVE: "x", TRUST: "t", SKIP: "s", UNDO: "u"}
SECONDS, WIDE = 30.0, (9.0, 2.6)  # of the player, and inches of its picture
ROWS = 100  # of the queue on the page, around the clip that is shown
LIKELIEST = 5
ALL = "all"


def serve(bench: Workbench, port: int, open_browser: bool) -> None:
    """Show a review on a port of this machine until Ctrl-C; UserError where the port is taken."""
    check_free(HOST, port, "a page")
    logging.getLogger("nicegui").setLevel(logging.ERROR)
    # a page of another site cannot ask for ours under a name of its own
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    _add_sound(bench.clips.paths)

    @ui.page("/")
    def page() -> None:
        ui.add_head_html(f"<style>{(FOLDER / 'page.css').read_text('utf-8')}</style>")
        ui.add_body_html(f"<script>{(FOLDER / 'page.js').read_text('utf-8')}</script>")
        _Page(bench).build()

    app.on_startup(lambda: say(f"review: http://{HOST}:{port}\nCtrl-C ends it; every decision is saved at once"))
    ui.run(
        host=HOST,
        port=port,
        title="Label review",
        favicon="🎧",
        dark=None,
        language="en-US",
        show=open_browser and has_display(),
        reload=False,
        tailwind=False,
        show_welcome_message=False,
        timeout_graceful_shutdown=1,  # a tab that is open would hold it up
    )


def _add_sound(paths: tuple[Path, ...]) -> None:
    """Add the addresses of the sound and the spectrogram of each clip, by its number."""
    one_at_a_time = threading.Lock()  # Matplotlib is not made for threads

    @lru_cache(200)
    def made(clip: int, whole: bool, narrow: bool) -> Excerpt:
        samples = first_part(SoundFile(paths[clip]).resampled(RATE))
        return excerpt(samples, SECONDS, SIZE if narrow else WIDE) if whole else excerpt(samples)

    def answer(clip: int, whole: bool, narrow: bool, part: Callable[[Excerpt], bytes], kind: str) -> Response:
        if not 0 <= clip < len(paths):
            return Response(status_code=404)
        try:
            with one_at_a_time:
                content = part(made(clip, whole, narrow))
        except UserError as error:
            return Response(str(error), status_code=404, media_type="text/plain")
        return Response(content, media_type=kind, headers={"Cache-Control": "no-store"})  # clip 0 is another tomorrow

    @app.get("/clips/{clip}/sound")
    def sound(clip: int, whole: bool = False) -> Response:
        return answer(clip, whole, False, lambda one: one.sound, "audio/mpeg")

    @app.get("/clips/{clip}/picture")
    def picture(clip: int, whole: bool = False, narrow: bool = False) -> Response:
        return answer(clip, whole, narrow, lambda one: one.picture, "image/webp")


def _text(tag: str, text: str, classes: str = "") -> Element:
    """Add an element that holds a text, never HTML."""
    return TextElement(tag=tag, text=text).classes(classes)


def _element(tag: str, classes: str = "", **attributes: object) -> Element:
    element = ui.element(tag).classes(classes)
    element.props.update({name.replace("_", "-"): value for name, value in attributes.items()})
    return element


def _button(text: str, key: str, act: Callable[[], object]) -> None:
    with _element("button", type="button").on("click", act):
        _text("span", text)
        if key:
            _text("kbd", key)


def _player(clip: int, fname: str, whole: bool = False) -> None:
    """Add a spectrogram with a cursor, and the sound: the loudest seconds, or the `whole` clip in a wide picture."""
    address = f"/clips/{clip}/%s{'?whole=true' if whole else ''}"
    axis, narrow = (" ".join(f"{end:.4f}" for end in time_axis(size)) for size in (WIDE if whole else SIZE, SIZE))
    with _element("div", "player"):
        with _element("div", "picture", data_axis=axis, data_narrow=narrow), _element("picture"):
            if whole:
                _element("source", media="(max-width: 800px)", srcset=f"{address % 'picture'}&narrow=true")
            _element("img", src=address % "picture", alt=f"spectrogram of {fname}, 0 to {RATE // 2000} kHz")
            _element("span", "cursor")
        preload = "auto" if whole else "none"
        _element("audio", controls=True, preload=preload, src=address % "sound", aria_label=fname)


class _Page:
    """One tab of a browser: which part of the queue it shows, and which clip."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.kind = ALL
        self.here = 0
        self.go_on(0)

    @property
    def shown(self) -> list[Suspect]:
        """The suspects of the kind that is chosen."""
        every = self.bench.suspects
        return [one for one in every if self.kind in (ALL, *(reason.kind for reason in one.reasons))]

    def build(self) -> None:
        """Add all of the page."""
        with _element("header", "review-head"):
            self.head()
        with _element("main", "review-main"):
            with _element("nav", "queue", aria_label="queue"):
                self.queue()
            with _element("section", "card"):
                self.card()
        with ui.dialog() as self.relabelling, _element("div", "dialog"):
            _text("h2", "New labels")
            self.labels = ui.select(list(self.bench.clips.dataset.classes), multiple=True, with_input=True)
            self.labels.props("use-chips outlined label=Classes").classes("w-full").style("width: 100%")
            with _element("div", "actions"):
                self.save = _element("button", type="button").on("click", self.relabel)
                with self.save:
                    _text("span", "Save")
                    _text("kbd", "Enter")
                _button("Cancel", "Esc", self.relabelling.close)
        with ui.dialog() as self.training, _element("div", "dialog"):
            self.command()
        ui.keyboard(self.press, repeating=False, ignore=["input", "select", "textarea"])

    @ui.refreshable_method
    def head(self) -> None:
        """Add the title and how far the review has come."""
        bench = self.bench
        total = len(bench.suspects)
        with _element("div", "title"):
            _text("h1", "Label review")
            runs = ", ".join(run.name for run in bench.clips.runs)
            _text("span", f"{runs} on {bench.clips.dataset.name}", "soft")
            _button("Train with it", "", self.show_command)
        _element("progress", max=total or 1, value=bench.done, aria_label="decided")
        left = f"{bench.errors_left:.0f}"
        _text(
            "div", f"{bench.done} of {count(total, 'suspicious clip')} decided · about {left} labels wrong or missing"
        )

    @ui.refreshable_method
    def queue(self) -> None:
        """Add the list of suspects."""
        shown = self.shown
        with _element("select", aria_label="which suspects").on("change", self.choose, js_handler=_CHOSEN):
            present = {reason.kind for one in self.bench.suspects for reason in one.reasons}
            for kind in (ALL, CONFLICT, *KINDS):
                if kind in present or kind == ALL:
                    number = sum(kind in (ALL, *(reason.kind for reason in one.reasons)) for one in self.bench.suspects)
                    option = _text("option", f"{kind} ({number})")
                    option.props.update({"value": kind, "selected": kind == self.kind})
        first = max(0, min(self.here - ROWS // 2, len(shown) - ROWS))
        with _element("ol"):
            for place, suspect in enumerate(shown[first : first + ROWS], first):
                with _element("li", "here" if place == self.here else ""):
                    row = _element("button", type="button").on("click", partial(self.go_to, place))
                    row.props["aria-current"] = "true" if place == self.here else "false"
                    with row:
                        self._row(suspect)

    def _row(self, suspect: Suspect) -> None:
        decision = self.bench.decision(suspect.clip)
        with _element("span", "name"):
            _text("span", self.bench.clips.fnames[suspect.clip])
            if decision:
                _text("span", decision.decision, "mark")
        reason = suspect.reasons[0]
        text = reason.text if self.kind != ALL else f"{reason.kind}: {reason.text}"
        _text("div", text, "why").props["title"] = text

    @ui.refreshable_method
    def card(self) -> None:
        """Add the clip that is shown, and what is known of it."""
        shown = self.shown
        if not shown:
            _text("h2", "Nothing is suspicious")
            _text("p", "Confident learning, the runs and the noisy clips give no reason to listen to any clip.", "soft")
            return
        suspect = shown[self.here]
        clip, clips = suspect.clip, self.bench.clips
        fname, seconds = clips.fnames[clip], announced_seconds(clips.paths[clip])
        _text("h2", fname)
        part = f", the player has the loudest {SECONDS:.0f} s" if seconds > SECONDS else ""
        split = "curated" if clip < len(clips.curated) else "noisy"
        _text("div", f"{split}, {seconds:.1f} s{part} · {self.here + 1} of {len(shown)}", "soft")
        with _element("ul", "reasons"):
            for reason in suspect.reasons:
                _text("li", f"{reason.kind} ({reason.score:.2f}): {reason.text}")
        _player(clip, fname, whole=True)
        self._verdict(clip)
        self._actions(suspect)
        self._labels(clip)
        _text("h3", "Similar clips")
        _text("p", "Curated clips whose out-of-fold probabilities are nearest, by the cosine.", "soft")
        with _element("div", "clips"):
            for other, cosine in self.bench.similar(clip):
                with _element("figure", "clip"):
                    _player(other, clips.fnames[other])
                    with _element("figcaption"):
                        _text("b", labels_of(clips, other))
                        _text("div", f"{clips.fnames[other]}, cosine {cosine:.2f}", "soft")

    def _verdict(self, clip: int) -> None:
        if decision := self.bench.decision(clip):
            labels = f" as {decision.labels}" if decision.decision == RELABEL else ""
            _text("div", f"{decision.decision}{labels}, by {decision.who}", "verdict")

    def _actions(self, suspect: Suspect) -> None:
        with _element("div", "actions"):
            for decision in self.bench.allowed(suspect.clip):
                act = self.ask if decision == RELABEL else partial(self.decide, decision)
                _button(decision.capitalize(), KEYS[decision], act)
            _button("Undo", KEYS[UNDO], self.undo)
            _button("Play", "space", lambda: ui.run_javascript("document.querySelector('.card audio').play()"))

    def _labels(self, clip: int) -> None:
        """Add the probabilities of the given labels, the likely ones, and the likeliest classes."""
        clips = self.bench.clips
        given, likely = labels_of(clips, clip).split(","), self.bench.likely(clip)
        probability = dict(zip(clips.dataset.classes, clips.probabilities[clip].tolist(), strict=True))
        top = sorted(probability, key=lambda name: -probability[name])[:LIKELIEST]
        with _element("div", "labels"):
            for name in sorted({*given, *likely, *top}, key=lambda name: -probability[name]):
                _text("span", name, "name")
                _element("meter", value=probability[name], min=0, max=1, aria_label=f"probability of {name}")
                _text("span", f"{probability[name]:.2f}", "number")
                with _element("span", "said"):
                    if name in given:
                        _text("span", "given", "given")
                    if name in likely:
                        _text("span", " likely", "likely")

    @ui.refreshable_method
    def command(self) -> None:
        """Add how to train with the lists."""
        command = self.bench.command()
        _text("h2", "Train with these decisions")
        if command:
            _text("pre", command)
            _text("p", "Add the --set fields of the run that you review, to compare the two.", "soft")
        else:
            _text("p", "No decision changes a label yet.", "soft")

    def choose(self, event: object) -> None:
        """Show another kind of suspects, as the list of kinds says."""
        self.kind = str(getattr(event, "args", ALL))
        self.here = 0
        self.go_on(0)
        self.refresh()

    def go_to(self, place: int) -> None:
        """Show another clip of the queue."""
        if 0 <= place < len(self.shown):
            self.here = place
            self.refresh()

    def go_on(self, place: int) -> None:
        """Make the first open clip from a place on, or else from the start, the one that is shown."""
        shown = self.shown
        later = [*range(place, len(shown)), *range(place)]
        open_ones = (other for other in later if self.bench.decision(shown[other].clip) is None)
        undecided = (other for other in later if not self.bench.is_decided(shown[other].clip))
        self.here = next(open_ones, next(undecided, min(place, max(0, len(shown) - 1))))

    def decide(self, decision: str, labels: list[str] | None = None) -> None:
        """Take a decision about the clip that is shown, and go on to the next one."""
        suspect = self.shown[self.here]
        try:
            self.bench.decide(suspect, decision, labels or [])
        except (UserError, OSError) as error:
            ui.notify(f"not saved: {error}", type="negative", position="top")
            return
        self.go_on(self.here + 1 if self.here + 1 < len(self.shown) else 0)
        self.refresh()

    def ask(self) -> None:
        """Ask for the new labels, the likely ones first."""
        self.labels.value = self.bench.likely(self.shown[self.here].clip)
        self.relabelling.open()
        # Enter saves what is proposed
        ui.run_javascript(f"setTimeout(() => getHtmlElement({self.save.id}).focus(), 100)")

    def relabel(self) -> None:
        """Take the labels that were chosen, in the order of the classes."""
        chosen = [name for name in self.bench.clips.dataset.classes if name in (self.labels.value or [])]
        if not chosen:
            ui.notify("choose at least one class, or remove the clip", type="warning", position="top")
            return
        self.relabelling.close()
        self.decide(RELABEL, chosen)

    def undo(self) -> None:
        """Take the newest own decision back and show its clip."""
        try:
            clip = self.bench.undo()
        except (UserError, OSError) as error:
            ui.notify(f"not saved: {error}", type="negative", position="top")
            return
        if clip is None:
            ui.notify("there is nothing to undo", position="top")
        else:
            places = {suspect.clip: place for place, suspect in enumerate(self.shown)}
            self.here = places.get(clip, self.here)
        self.refresh()

    def show_command(self) -> None:
        """Show how to train with the lists."""
        self.command.refresh()
        self.training.open()

    def refresh(self) -> None:
        """Show what has changed."""
        self.head.refresh()
        self.queue.refresh()
        self.card.refresh()
        ui.run_javascript("document.querySelector('.queue .here')?.scrollIntoView({block: 'nearest'})")

    def press(self, event: KeyEventArguments) -> None:
        """Do what a key says; keys in a dialog are not meant."""
        modified = event.modifiers.ctrl or event.modifiers.meta or event.modifiers.alt
        if not event.action.keydown or modified or self.relabelling.value or self.training.value or not self.shown:
            return
        name = event.key.name
        steps = {"ArrowRight": 1, "ArrowDown": 1, "ArrowLeft": -1, "ArrowUp": -1}
        if name in steps:
            self.go_to(self.here + steps[name])
        elif name == KEYS[UNDO]:
            self.undo()
        else:
            for decision in self.bench.allowed(self.shown[self.here].clip):
                if KEYS[decision] == name:
                    self.ask() if decision == RELABEL else self.decide(decision)


_CHOSEN = "(event) => emit(event.target.value)"
