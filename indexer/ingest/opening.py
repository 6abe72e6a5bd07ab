"""Opens the workers of a bulk run: this process, processes of this machine, or a Ray cluster's.

Only this file imports Ray, when it is asked for.
"""

import logging
import os
import secrets
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from indexer.errors import WorkersLost
from indexer.ingest.ray_workers import Place, RayWorkers
from indexer.ingest.workers import LocalWorkers, Workers
from models.encoder import Device, Encoder, RuntimeName
from models.errors import MissingPackage

logger = logging.getLogger(__name__)

_CONNECT_TRIES = 2  # the process that a cluster starts for each client sometimes fails to
_REACH_S = 5.0  # for a connection to the cluster's address
_TOKEN = secrets.token_hex(32)  # Ray reads it once in a process
_STORE = 200_000_000  # bytes of pictures on the way, of a Ray on this machine


@contextmanager
def open_workers(
    where: str | int | None, encoder: Encoder, device: Device, runtime: RuntimeName
) -> Iterator[Workers]:
    """Open workers that decode and encode, and end them afterwards.

    Args:
        where: `ray://HOST:PORT` of a cluster: one worker for each machine without GPU, and for
            each GPU; or how many on this machine; or None, for this process.
        encoder: the network that they must have, too; each machine holds its folder.
        device: that they compute on; ``auto`` is whatever each machine has.
        runtime: likewise.

    Raises:
        MissingPackage: the extra `ray` is not installed.
        WorkersLost: no cluster answers, or a worker has another network.
    """
    if where is None:
        yield LocalWorkers(encoder)
        return
    MissingPackage.check("ray", "ray", "indexing by several workers")
    with ExitStack() as ending:
        with _sigterm_kept():
            ray, places = _connected(where, ending)
        workers = RayWorkers(ray, encoder, (device, runtime), places)
        ending.callback(workers.close)
        yield workers


def _connected(where: str | int, ending: ExitStack) -> tuple[Any, list[Place]]:
    if isinstance(where, int):
        ending.enter_context(_environment(_closed_to_others()))
    else:
        _require_answer(where)
    import ray
    import ray.util.scheduling_strategies

    # Advice to send less (a picture is sent once), and what an error says as well.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"ray\.util\.client")
    connect: Any = partial(ray.init, logging_level=logging.ERROR, log_to_driver=False)
    processors = 0
    if isinstance(where, int):
        processors = max(1, (os.cpu_count() or 1) // where)
        connect = partial(
            connect,
            num_cpus=where * processors,
            include_dashboard=False,
            object_store_memory=_STORE,
        )
    else:
        connect = partial(connect, where)
    for left in reversed(range(_CONNECT_TRIES)):
        try:
            connect()
            break
        except Exception as error:  # Ray raises just that where a node is too slow to start
            reason = str(error).partition("\n")[0]
            if not left:
                raise WorkersLost(f"{where}: Ray does not start or answer: {reason}") from error
            logger.warning("Ray does not start or answer, trying again: %s", reason)
    ending.callback(ray.shutdown)
    list_nodes: Any = ray.nodes
    nodes = [node for node in list_nodes() if node["Alive"]]
    if isinstance(where, int):
        return ray, [Place(nodes[0]["NodeID"], processors, 0)] * where
    return ray, [place for node in nodes for place in _places(node)]


def _places(node: dict[str, Any]) -> list[Place]:
    """One worker for each GPU of a machine; else one, by all of its processors."""
    held = node["Resources"]
    processors, gpus = int(held.get("CPU", 0)), int(held.get("GPU", 0))
    if not processors:
        return []  # a head that is to compute nothing
    share = Place(node["NodeID"], max(1, processors // max(gpus, 1)), min(gpus, 1))
    return [share] * max(gpus, 1)


def _require_answer(where: str) -> None:
    """Refuse an address that nobody listens at, for which Ray would wait half a minute."""
    try:
        at = urlsplit(where)
        host, port = at.hostname, at.port or 10001
    except ValueError:
        host = None
    if host is None or at.scheme != "ray":
        raise WorkersLost(f"{where}: give workers as ray://HOST:10001, or as a number")
    try:
        socket.create_connection((host, port), _REACH_S).close()
    except OSError as error:
        raise WorkersLost(
            f"{where}: no Ray cluster answers there ({error}); docs/scale.md says how to start one"
        ) from error


def _closed_to_others() -> dict[str, str]:
    """Settings of a Ray on this machine: it tells nobody of itself, and only we may use it.

    Ray's ports run any code for whoever reaches them. With the second setting, made for desktops,
    they listen on 127.0.0.1 alone; the token keeps out other accounts of the machine, and is in
    no file.
    """
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": _TOKEN,
    }


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Set variables for Ray's processes, and put back what was there."""
    environment = os.environ  # noqa: TID251 - Ray takes these settings in no other way
    before = {name: environment.get(name) for name in settings}
    environment.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del environment[name]
            else:
                environment[name] = value


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Leave SIGTERM to whoever handles it in this process: Ray takes it when it connects."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if is_main and before is not None:
            signal.signal(signal.SIGTERM, before)
