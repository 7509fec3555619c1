"""The files in deploy/ hold what they promise, as far as that shows without a container engine or a running systemd."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy/docker/Dockerfile"
COMPOSE = ROOT / "deploy/docker/compose.yaml"
UNIT = ROOT / "deploy/systemd/forebay.service"
# systemd-analyze's exposure level times ten: 15 is the hardest tenth of what a distribution ships.
EXPOSURE_MAX = 15


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture
def installed_unit(tmp_path):
    """The unit as it stands, but for a binary that exists on this machine."""
    unit = tmp_path / "forebay.service"
    unit.write_text(UNIT.read_text().replace("/usr/bin/forebay", shutil.which("true")))
    return unit


def test_the_unit_is_what_systemd_understands(installed_unit):
    result = run("systemd-analyze", "verify", "--man=no", str(installed_unit))
    complaints = [line for line in result.stderr.splitlines() if "forebay" in line]
    assert result.returncode == 0 and complaints == [], result.stderr


def test_the_unit_exposes_next_to_nothing(installed_unit):
    result = run(
        "systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(installed_unit)
    )
    level = next((line for line in result.stdout.splitlines() if "exposure level" in line), result.stderr)
    print(level)
    assert result.returncode == 0, level


def test_the_user_and_the_folders_can_be_made(tmp_path):
    for source, folder in [("sysusers", "sysusers.d"), ("tmpfiles", "tmpfiles.d")]:
        (tmp_path / "usr/lib" / folder).mkdir(parents=True)
        shutil.copy(ROOT / f"deploy/systemd/forebay.{source}", tmp_path / "usr/lib" / folder / "forebay.conf")
    (tmp_path / "etc").mkdir()
    if os.geteuid() != 0:
        pytest.skip("systemd-sysusers --root needs root")
    users = run("systemd-sysusers", f"--root={tmp_path}")
    assert users.returncode == 0, users.stderr
    assert re.search(r"^forebay:.*:/var/lib/forebay:/usr/sbin/nologin$", (tmp_path / "etc/passwd").read_text(), re.M)
    folders = run("systemd-tmpfiles", "--create", f"--root={tmp_path}", "forebay.conf")
    assert folders.returncode == 0, folders.stderr
    assert (tmp_path / "var/lib/forebay").stat().st_mode & 0o777 == 0o700


def test_the_compose_file_follows_the_compose_schema():
    result = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))
    assert result.returncode == 0, result.stdout


def test_the_composed_broker_is_confined_and_reached_from_this_machine_only():
    service = yaml.safe_load(COMPOSE.read_text())["services"]["forebay"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert (COMPOSE.parent / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).samefile(DOCKERFILE)
    assert any(volume.endswith(":/var/lib/forebay") for volume in service["volumes"])


def instructions():
    """The Dockerfile's instructions as (word, rest), continuation lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.M)
    text = re.sub(r"\\\n\s*", "", text)
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def test_the_image_runs_without_root_and_keeps_its_data_in_a_volume():
    last_stage = instructions()
    start = max(at for at, (word, _) in enumerate(last_stage) if word == "FROM")
    words = dict(last_stage[start:])
    assert ":nonroot" in words["FROM"]
    assert words["USER"] == "65532:65532"
    assert words["VOLUME"] == "/var/lib/forebay"
    assert words["STOPSIGNAL"] == "SIGTERM"
    assert 'CMD ["/forebay", "check", "server"]' in words["HEALTHCHECK"]
    assert (words["ENTRYPOINT"], words["CMD"]) == ('["/forebay"]', '["serve"]')


def copied():
    """What the image's build takes from the repository."""
    rests = [rest for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    return sorted({source for rest in rests for source in rest.split()[:-1]})


def test_what_the_image_copies_is_a_crate_of_its_own(tmp_path):
    for source in copied():
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, tmp_path / source)
    without_benches = re.search(r"sed -i '(.+?)' Cargo.toml", DOCKERFILE.read_text()).group(1)
    assert run("sed", "-i", without_benches, "Cargo.toml", cwd=tmp_path).returncode == 0
    result = run("cargo", "metadata", "--offline", "--locked", "--no-deps", "--format-version=1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert '"name":"forebay","src_path"' in result.stdout


def test_the_crate_includes_no_file_that_the_image_lacks():
    pattern = re.compile(r'include_(?:str|bytes)!\(\s*(?:concat!\(env!\("CARGO_MANIFEST_DIR"\),\s*)?"([^"]+)"')
    for file in sorted((ROOT / "src").rglob("*.rs")):
        for path in pattern.findall(file.read_text()):
            included = ROOT / path.lstrip("/") if path.startswith("/") else (file.parent / path).resolve()
            inside = included.relative_to(ROOT)
            only_for_tests = inside.parts[0] == "tests" or file.stem.endswith("tests") or "tests" in file.parts
            assert only_for_tests or inside.parts[0] in copied(), f"{file} includes {inside}"


def settings_of(text):
    return dict(re.findall(r"\b(FOREBAY__\w+)=(\S+)", text))


@pytest.mark.parametrize("file", [DOCKERFILE, UNIT], ids=lambda file: file.name)
def test_the_broker_accepts_the_settings(file):
    settings = settings_of(file.read_text())
    assert settings
    result = run(os.environ["FOREBAY_BIN"], "config", "check", env={"PATH": "/usr/bin:/bin", **settings})
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_broker_refuses_the_image_s_address_without_the_insecure_mark():
    settings = settings_of(DOCKERFILE.read_text())
    del settings["FOREBAY__LISTEN__API__INSECURE"]
    result = run(os.environ["FOREBAY_BIN"], "config", "check", env={"PATH": "/usr/bin:/bin", **settings})
    assert result.returncode != 0
    assert "insecure" in result.stdout + result.stderr


def test_the_command_of_the_health_check_exists():
    result = run(os.environ["FOREBAY_BIN"], "check", "server", "--help")
    assert result.returncode == 0, result.stderr
