"""The live page: the browser's microphone, or a file, tagged on this machine alone."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from fastapi import HTTPException, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from nicegui import app, ui
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware

from tagging.data.audio import SoundFile
from tagging.errors import UnreadableSound, UserError, room_in
from tagging.live.stream import Listener, WindowTagger, windows
from tagging.loopback import HOST, has_display
from tagging.progress import say
from tagging.signals import ENDING

SHOWN = 8  # classes with a bar
RATES = (8000, 192000)  # Hz, of microphones
STATIC = Path(__file__).parent / "static"


class Microphone(ui.element, component="microphone.js"):
    """The microphone's part of the page."""


class FileView(ui.element, component="file_view.js"):
    """The part of the page that a file is dropped on; it knows the names of all classes."""

    def __init__(self, classes: list[str]) -> None:
        super().__init__()
        self.props["classes"] = classes


def serve(tagger: WindowTagger, port: int, open_browser: bool) -> None:
    """Serve the page on this machine alone until Ctrl-C; print its address, and open a browser where there is one."""
    worker = ThreadPoolExecutor(1, "networks")
    _add_routes(tagger, worker)

    def begin() -> None:
        for number in ENDING:  # an interrupt amid its loop would have the server print a traceback
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda *_: app.shutdown())
        say(f"listening at http://{HOST}:{port}; Ctrl-C ends it")

    app.on_startup(begin)
    ui.run(
        host=HOST,
        port=port,
        title=f"Live: {tagger.title}",
        dark=None,
        language="en-US",
        reload=False,
        show=open_browser and has_display(),
        show_welcome_message=False,
        gzip_middleware_factory=None,  # it would hold the rows of a file back
        timeout_graceful_shutdown=1,
    )
    worker.shutdown(cancel_futures=True)
    say("\nthe live page has ended")


def _add_routes(tagger: WindowTagger, worker: Executor) -> None:
    # a page of another site that a browser has open must not reach this one under a name of its own
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    app.add_static_files("/live", STATIC)

    @ui.page("/")
    def page() -> None:
        ui.colors(primary="#6b3fa0")
        ui.add_head_html('<link rel="stylesheet" href="/live/live.css">')
        with ui.element("main").classes("live"):
            with ui.element("header"):
                ui.html("Live", tag="h1", sanitize=False)
                ui.label(f"{tagger.title}: {len(tagger.classes)} classes, windows of {tagger.seconds:.1f} s")
            Microphone()
            FileView(tagger.classes)

    @app.websocket("/live/sound")
    async def sound(socket: WebSocket, rate: int) -> None:
        """Take a microphone's samples, float32 at `rate` Hz; answer with the tags of the newest window."""
        if not (_is_own(socket.headers) and RATES[0] <= rate <= RATES[1]):
            await socket.close(1008)
            return
        await socket.accept()
        listener = Listener(tagger, worker, rate)
        answering = asyncio.create_task(_answer(socket, listener, tagger.classes))
        try:
            async for data in socket.iter_bytes():
                listener.hear(np.frombuffer(data, "<f4"))
        finally:
            answering.cancel()

    @app.post("/live/file")
    async def file(request: Request) -> StreamingResponse:
        """Take the bytes of a file; answer with a line of JSON for each of its windows."""
        if not _is_own(request.headers):
            raise HTTPException(403)
        folder = TemporaryDirectory(prefix="live-")
        try:
            path = Path(folder.name) / "sound"
            with room_in(path.parent), path.open("wb") as out:
                async for data in request.stream():
                    out.write(data)
        except UserError as error:
            folder.cleanup()
            raise HTTPException(507, str(error)) from None
        except BaseException:
            folder.cleanup()
            raise
        return StreamingResponse(_lines(tagger, worker, folder, path), media_type="application/x-ndjson")


def _is_own(headers: Headers) -> bool:
    """Tell whether a request comes from this page, not from another site that the browser has open."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


async def _answer(socket: WebSocket, listener: Listener, classes: list[str]) -> None:
    """Send the likeliest classes of each window that a listener tags."""
    with suppress(WebSocketDisconnect):
        try:
            async for tags in listener.tags():
                best = np.argsort(-tags.probabilities, kind="stable")[:SHOWN]
                likeliest = [[classes[index], round(float(tags.probabilities[index]), 4)] for index in best]
                told = {"since": tags.since, "until": tags.until, "seconds": tags.seconds, "likeliest": likeliest}
                await socket.send_json(told)
        except UserError as error:
            await socket.send_json({"problem": str(error)})


async def _lines(
    tagger: WindowTagger, worker: Executor, folder: TemporaryDirectory[str], path: Path
) -> AsyncIterator[str]:
    """Yield the length of a file, and each window as soon as it is tagged; a problem is the last line."""
    with folder:
        try:
            sound = SoundFile(path)
            yield _line(seconds=sound.seconds)
            found = windows(tagger, sound)
            loop = asyncio.get_running_loop()
            while (window := await loop.run_in_executor(worker, next, found, None)) is not None:
                yield _line(
                    start=window.start,
                    end=window.end,
                    new=window.new,
                    probabilities=window.probabilities.round(4).tolist(),
                    picture=window.picture.tolist(),
                )
        except UnreadableSound as error:
            yield _line(problem=error.reason)
        except UserError as error:
            yield _line(problem=str(error))


def _line(**values: Any) -> str:
    return json.dumps(values) + "\n"
