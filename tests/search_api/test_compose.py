"""docker-compose.yml says what the settings and the Dockerfile understand."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from search_api.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))


def test_every_service_has_a_health_check(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"database", "api", "api-gpu"}
    assert all("test" in service["healthcheck"] for service in compose["services"].values())


def test_only_the_gpu_service_waits_for_its_profile_and_asks_for_a_device(
    compose: dict[str, Any],
) -> None:
    profiles = {name: service.get("profiles") for name, service in compose["services"].items()}
    assert profiles == {"database": None, "api": None, "api-gpu": ["gpu"]}
    devices = compose["services"]["api-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices[0]["capabilities"] == ["gpu"]


def test_every_variable_it_sets_is_a_setting(compose: dict[str, Any]) -> None:
    known = {f"MARKLENS_{name.upper()}" for name in Settings.model_fields}
    for name in ("api", "api-gpu"):
        assert set(compose["services"][name]["environment"]) <= known


def test_data_lives_in_named_volumes(compose: dict[str, Any]) -> None:
    mounted = {
        volume.partition(":")[0]
        for service in compose["services"].values()
        for volume in service["volumes"]
    }
    assert mounted == set(compose["volumes"])


def test_passwords_have_no_default(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    for name in ("MARKLENS_DB_PASSWORD", "MARKLENS_API_TOKEN"):
        assert f"${{{name}:?" in text
        assert f"${{{name}:-" not in text


def test_the_api_waits_for_a_healthy_database(compose: dict[str, Any]) -> None:
    for name in ("api", "api-gpu"):
        waits = compose["services"][name]["depends_on"]
        assert waits["database"]["condition"] == "service_healthy"


def test_the_image_is_built_from_what_exists() -> None:
    copied = [
        word
        for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert copied
    assert all((ROOT / word).exists() for word in copied)
