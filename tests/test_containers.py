"""Dockerfile, docker-compose.yml and constraints.txt: sound, closed, and the ones that are used."""

import json
import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from search_api.settings import Settings

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PASSWORD = {"MARKLENS_DB_PASSWORD": "p"}
KEY = "t" * 32
SERVERS = ("api", "api-gpu", "api-1", "api-2")


def resolved(*profiles: str, key: str = "t", **variables: str) -> dict[str, Any]:
    """What Docker Compose makes of the file; `variables` are of the environment."""
    chosen = [word for profile in profiles for word in ("--profile", profile)]
    ran = subprocess.run(  # noqa: S603 - a tool of ours
        [BIN / "docker-compose", *chosen, "config", "--format", "json"],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "MARKLENS_API_TOKEN": key,
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """All services of all profiles."""
    found: dict[str, Any] = resolved("*", **PASSWORD)
    return found["services"]


def test_the_dockerfile_has_nothing_that_hadolint_would_mend() -> None:
    ran = subprocess.run(  # noqa: S603 - a tool of ours
        [BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.returncode) == ("", 0)


def test_a_profile_adds_its_services_and_the_rest_is_one_server() -> None:
    assert set(resolved()["services"]) == {"api"}
    assert set(resolved("postgres")["services"]) == {"api", "database"}
    assert set(resolved("gpu")["services"]) == {"api", "api-gpu"}
    on_milvus = {"api", "api-1", "api-2", "database", "milvus"}
    assert set(resolved("scale", **PASSWORD)["services"]) == on_milvus


def test_the_register_is_in_postgresql_where_its_password_is_given() -> None:
    of = {
        "": resolved(),
        "postgresql://marklens:p@database/marklens": resolved(**PASSWORD),
        "postgresql://db/marks": resolved(MARKLENS_DATABASE_URL="postgresql://db/marks"),
    }
    for url, found in of.items():
        assert found["services"]["api"]["environment"]["MARKLENS_DATABASE_URL"] == url


@pytest.mark.parametrize(("password", "is_healthy"), [("", False), ("p", True)])
def test_with_postgresql_but_without_its_password_no_server_starts(
    tmp_path: Path, password: str, is_healthy: bool
) -> None:
    services = resolved("postgres", "scale", MARKLENS_DB_PASSWORD=password)["services"]
    for name in ("api", "api-1", "api-2"):
        assert services[name]["depends_on"]["database"]["condition"] == "service_healthy"
    (tmp_path / "pg_isready").write_text("#!/bin/sh\n")  # the database is there from before
    (tmp_path / "pg_isready").chmod(0o755)
    kind, check = services["database"]["healthcheck"]["test"]
    given = services["database"]["environment"]["POSTGRES_PASSWORD"]
    checked = subprocess.run(  # noqa: S603 - of our own file
        ["/bin/sh", "-c", check.replace("$$", "$")],
        env={"PATH": str(tmp_path), "POSTGRES_PASSWORD": given},
        check=False,
    )
    assert (kind, checked.returncode == 0) == ("CMD-SHELL", is_healthy)


def test_other_machines_are_not_served_without_a_key() -> None:
    with pytest.raises(AssertionError, match="choose a key of scope admin"):
        resolved(key="")


def test_every_service_may_do_little(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert "privileged" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["mem_limit"]) > 0, name
        assert service["pids_limit"] > 0, name
        assert any(one.startswith("/tmp:") for one in service["tmpfs"]), name  # noqa: S108


def test_nobody_is_root_and_all_are_watched(services: dict[str, Any]) -> None:
    last = (ROOT / "Dockerfile").read_text("utf-8").rpartition("\nFROM ")[2]
    assert "\nUSER 10001\n" in last
    assert "\nHEALTHCHECK " in last
    for name, service in services.items():
        if "build" not in service:
            # Milvus' image owns its folder as root, which has no capability in these services.
            assert name == "milvus" or service["user"] not in ("", "0", "root"), name
            assert "test" in service["healthcheck"], name
            assert service["image"].partition(":")[2].count(".") >= 1, "not an exact tag"


def test_every_variable_it_sets_is_a_setting(services: dict[str, Any]) -> None:
    known = {f"MARKLENS_{name.upper()}" for name in Settings.model_fields}
    for name in SERVERS:
        assert set(services[name]["environment"]) <= known


def test_a_server_that_is_stopped_may_answer_first(services: dict[str, Any]) -> None:
    for name in SERVERS:
        given = int(services[name]["stop_grace_period"].removesuffix("s"))
        assert given >= 2 * Settings.model_fields["graceful_timeout_s"].default


def test_two_servers_search_one_milvus_server() -> None:
    services = resolved("scale", MARKLENS_MILVUS_INDEX="HNSW", **PASSWORD)["services"]
    for name in ("api-1", "api-2"):
        named = Settings.read(index=services[name]["environment"]["MARKLENS_INDEX"]).milvus
        assert named is not None
        assert (named.uri, named.index) == ("http://milvus:19530", "HNSW")
        assert {"database", "milvus"} <= set(services[name]["depends_on"])
    assert services["api-1"]["ports"] != services["api-2"]["ports"]
    assert "ports" not in services["milvus"]


def test_the_gpu_service_asks_for_a_device(services: dict[str, Any]) -> None:
    (device,) = services["api-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert services["api-gpu"]["environment"]["MARKLENS_DEVICE"] == "cuda"


def test_the_image_is_built_from_what_exists() -> None:
    copied = [
        word
        for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert copied
    assert all((ROOT / word).exists() for word in copied)


def test_every_package_that_is_asked_for_is_pinned_with_its_digests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = [
        *project["project"]["dependencies"],
        *chain.from_iterable(project["project"]["optional-dependencies"].values()),
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ]
    pins = (ROOT / "constraints.txt").read_text("utf-8").replace("\\\n", " ").splitlines()
    versions: dict[str, list[str]] = {}
    for pin in pins:
        what, *digests = pin.split("--hash=")
        assert digests, what
        name, version = what.partition(";")[0].strip().split("==")
        versions.setdefault(canonicalize_name(name), []).append(version)
    for one in map(Requirement, asked):
        pinned = versions.get(canonicalize_name(one.name), [])
        assert any(map(one.specifier.contains, pinned)), f"{one}: run `make lock`"


def await_ready(address: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/readyz", timeout=10).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail("the server does not start")


@contextmanager
def serving_without_rights(data: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A server on every address, kept as the image and the compose file want it kept."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = "true"
    if sys.base_prefix.startswith("/root/"):  # which is closed, but for the interpreter in it
        home = (
            f"mount --bind {sys.base_prefix} /media && mount -t tmpfs -o mode=755 tmpfs /root && "
            f"mkdir -p {sys.base_prefix} && mount --bind /media {sys.base_prefix}"
        )
    emptied = "mount -t tmpfs -o mode=1777 tmpfs /tmp"
    if ROOT.is_relative_to("/tmp"):  # noqa: S108 - a clone that is tried out there
        emptied = (
            f"mount --bind {ROOT} /opt && {emptied} && mkdir -p {ROOT} && mount --bind /opt {ROOT}"
        )
    inside = (
        f"{home} && mount --bind {data} /mnt && chown 10001 /mnt && "
        f"{emptied} && mount -o remount,bind,ro / && "
        "exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs "
        '--bounding-set=-all --inh-caps=-all "$@"'
    )
    environment = {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "HOME": "/home/marklens",  # there is none, as in the image
        "PYTHONDONTWRITEBYTECODE": "1",
        "MARKLENS_DATA_DIR": "/mnt",
        "MARKLENS_HOST": "0.0.0.0",  # noqa: S104 - as in a container
        "MARKLENS_API_TOKEN": KEY,
        "MARKLENS_PORT": str(port),
    }
    server = subprocess.Popen(  # noqa: S603 - our own server
        ["/usr/bin/unshare", "--mount", "sh", "-c", inside, "sh", BIN / "marklens", "serve"],
        cwd="/",
        env=environment,
    )
    try:
        await_ready(f"http://127.0.0.1:{port}", server)
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_it_serves_without_rights_from_a_root_that_cannot_be_written(tmp_path: Path) -> None:
    picture = next((ROOT / "search_api/demo/register/images").glob("*.png")).read_bytes()
    with serving_without_rights(tmp_path) as (address, server):
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
        assert "Uid:\t10001" in status
        key = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=f"{address}/api/v1", timeout=60) as client:
            assert client.post("/marks").status_code == 401
            for path, fields in (("/marks", {"id": "M-1"}), ("/search", {"k": "1"})):
                answer = client.post(path, files={"image": picture}, data=fields, headers=key)
                assert answer.is_success, answer.text
    assert server.returncode == 0
    assert (tmp_path / "register.db").stat().st_uid == 10001
