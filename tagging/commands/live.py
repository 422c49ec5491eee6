"""Tag sound as it comes: a page on this machine with the browser's microphone.

Imports torch once the run is found.
"""

from __future__ import annotations

from tagging.errors import UserError
from tagging.loopback import HOST, check_free
from tagging.progress import say
from tagging.runs.finished import open_run, warn_of_untrained

EXTRA = "requirements-pages.txt"


def live(run_text: str, port: int, open_browser: bool) -> None:
    """Serve the page until Ctrl-C.

    Raises UserError where there is no such run, its networks cannot be restored, NiceGUI is not installed, or the port
    is taken.
    """
    check_free(HOST, port, "a live page")
    store, run = open_run(run_text)
    warn_of_untrained(store, run)
    try:
        from tagging.live.page import serve
    except ModuleNotFoundError as error:
        if error.name != "nicegui":
            raise
        raise UserError(f"the page needs NiceGUI, which is not installed: pip install -r {EXTRA}") from None
    from tagging.live.stream import WindowTagger

    tagger = WindowTagger(store, run)
    say(f"{run.title}: windows of {tagger.seconds:.1f} s, {len(tagger.classes)} classes")
    serve(tagger, port, open_browser)
