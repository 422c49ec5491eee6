"""The stock MLflow UI on the project's store, for this machine alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tagging import project
from tagging.errors import UserError
from tagging.loopback import HOST, check_free, has_display
from tagging.tracking.place import is_server
from tagging.tracking.store import Store
from tagging.tracking.views import RANKING, missing_views

START_S = 90.0  # the server was seen to take 6 to 18 seconds


def serve(port: int, open_browser: bool, host: str = HOST) -> None:
    """Run the UI until Ctrl-C, listening on `host`; print its address, and open a browser where there is one.

    With MLFLOW_TRACKING_URI set to a server, that server's own UI is shown instead. Raises UserError
    if the port is taken or the UI does not start, StoreError if the store cannot be opened.
    """
    store = Store.connect()
    with suppress(UserError):  # whoever may only read the store sees MLflow's own table
        hasty = store.impatient()
        for experiment in hasty.data_sets():
            hasty.tag_experiment(experiment, missing_views(experiment.tags))
    if is_server(store.uri):
        _announce(store, store.uri.rstrip("/"), open_browser)
        return
    check_free(host, port, "a UI")
    with tempfile.TemporaryFile() as output, _server(store.uri, host, port, output.fileno()) as server:
        _wait_until_up(server, port, output.fileno())
        _announce(store, f"http://{HOST}:{port}", open_browser)
        print("Ctrl-C ends it", flush=True)
        server.wait()
        raise _failed("ended by itself", output.fileno())


@contextmanager
def _server(uri: str, host: str, port: int, output: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "mlflow", "ui", "--host", host, "--port", str(port), "--workers", "1"]
    # by the environment, since everybody on the machine can read a command line
    environment = os.environ | {"MLFLOW_BACKEND_STORE_URI": uri}
    # A session of its own: the server's processes are ended together, by the keeper alone, once this process lets go.
    server = subprocess.Popen(
        [sys.executable, "-I", Path(__file__).with_name("keeper.py"), *command],
        cwd=project.root(),
        env=environment,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        try:
            yield server
        finally:
            server.communicate()  # which closes the pipe, and waits
    except KeyboardInterrupt:
        print("\nthe MLflow UI has ended", flush=True)


def _wait_until_up(server: subprocess.Popen[bytes], port: int, output: int) -> None:
    deadline = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=2):
            return
        time.sleep(0.2)
    raise _failed("did not start", output)


def _failed(how: str, output: int) -> UserError:
    said = os.pread(output, 1 << 20, 0).decode(errors="replace").splitlines()
    return UserError(f"the MLflow UI {how}; this is the last that it said:", *said[-10:])


def _announce(store: Store, address: str, open_browser: bool) -> None:
    experiment = store.newest_experiment()
    # without the last part, MLflow 3 opens in a view made for language models
    query = f"workflowType=machine_learning&viewStateShareKey={RANKING}"
    page = f"/#/experiments/{experiment}/runs?{query}" if experiment else ""
    print(f"MLflow UI: {address}{page}", flush=True)
    if open_browser and has_display():
        scheme, _, place = address.partition("://")
        # without a login, since everybody on the machine can read a browser's command line
        webbrowser.open(f"{scheme}://{place.rpartition('@')[2]}{page}")
