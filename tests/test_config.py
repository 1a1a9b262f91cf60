"""Settings come from one file and the environment; what is unknown or unsafe is refused with its mend."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from watership.config import ELSEWHERE, BadConfig, Config, ModelSettings, load, settings

EXAMPLE = Path(__file__).resolve().parents[1] / "watership.example.toml"
ANYWHERE = "0.0.0.0"  # noqa: S104 - that this is refused is what the tests are about
SECRET = "a-secret-of-the-tests-that-is-long-enough"


def write(folder: Path, text: str) -> Path:
    (folder / "watership.toml").write_text(text, encoding="utf-8")
    return folder


def test_the_example_holds_every_setting_with_its_default_and_a_word_about_it(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    tree = tomllib.loads(text)
    found = {
        (name, *inner)
        for name, value in tree.items()
        for inner in ([(key,) for key in value] if isinstance(value, dict) and value else [()])
    }
    assert found == set(settings())
    assert msgspec.convert(tree, Config) == Config()
    lines = text.splitlines()
    bare = [
        line
        for above, line in pairwise(lines)
        if re.match(r"\w+ = ", line) and not re.match(r"#|\w+ = ", above)
    ]
    assert bare == []
    assert load(write(tmp_path, text), {}).http.port == 3000


def test_without_file_and_environment_the_defaults_stand(tmp_path: Path) -> None:
    config = load(tmp_path, {"HOME": "/nowhere"})
    assert (config.http.host, config.http.port, config.open) == ("127.0.0.1", 3000, True)
    assert config.store.url == f"sqlite:///{tmp_path}/.watership/watership.db"


def test_the_file_is_found_upwards_and_its_paths_are_relative_to_it(tmp_path: Path) -> None:
    write(tmp_path, '[store]\nurl = "sqlite:///here.db"\n[environment]\nrouter = "r.sock"\n')
    (deep := tmp_path / "a" / "b").mkdir(parents=True)
    config = load(deep, {})
    assert config.store.url == f"sqlite:///{tmp_path}/here.db"
    assert config.environment.router == str(tmp_path / "r.sock")


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    assert (
        load(write(tmp_path, '[store]\nurl = "sqlite:////var/x.db"'), {}).store.url == "sqlite:////var/x.db"
    )


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    folder = write(tmp_path, "[worker]\nslots = 4\nlease_seconds = 9\n")
    config = load(folder, {"WATERSHIP_WORKER_SLOTS": "8", "WATERSHIP_READONLY": "true"})
    assert (config.worker.slots, config.worker.lease_seconds, config.readonly) == (8, 9.0, True)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[htttp]\nport = 1", "Did you mean http.port?"),
        ("[http]\nprot = 1", "Did you mean http.port?"),
        ("port = 1", "Did you mean http.port?"),
        ("secrets = 'x'", "Did you mean secret?"),
        ("[worker.slots]\nx = 1", "worker.slots in "),
        ("worker = 3", "worker in "),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_name(tmp_path: Path, text: str, hint: str) -> None:
    with pytest.raises(BadConfig, match=re.escape(hint)):
        load(write(tmp_path, text), {})


def test_a_variable_of_the_wrong_kind_is_named_with_its_place_in_the_example(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="variable WATERSHIP_WORKER_SLOTS is wrong: Expected `int`") as told:
        load(write(tmp_path, "[worker]\nslots = 4\n"), {"WATERSHIP_WORKER_SLOTS": "abc"})
    assert told.value.fix == "See worker.slots in watership.example.toml."


def test_an_unknown_variable_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="Did you mean WATERSHIP_HTTP_PORT"):
        load(tmp_path, {"WATERSHIP_HTTP_PROT": "1"})
    load(tmp_path, {"WATERSHIP_NIGHTLY": "1"})


def test_every_variable_that_the_sources_name_is_known(tmp_path: Path) -> None:
    sources = (EXAMPLE.parent / "src").rglob("*.py")
    named = {
        name for file in sources for name in re.findall(r"\bWATERSHIP_[A-Z_]*[A-Z]", file.read_text("utf-8"))
    }
    settable = {"WATERSHIP_" + "_".join(path).upper() for path in settings()}
    assert named - settable - ELSEWHERE == set()


@pytest.mark.parametrize(
    "variables",
    [
        {"WATERSHIP_HTTP_PORT": "99999"},
        {"WATERSHIP_HTTP_PORT": "many"},
        {"WATERSHIP_WORKER_SLOTS": "0"},
        {"WATERSHIP_WORKER_LEASE_SECONDS": "-1"},
        {"WATERSHIP_READONLY": "perhaps"},
        {"WATERSHIP_AUTH": "sometimes"},
        {"WATERSHIP_LOG_FORMAT": "xml"},
    ],
)
def test_a_value_out_of_bounds_is_refused(tmp_path: Path, variables: dict[str, str]) -> None:
    with pytest.raises(BadConfig):
        load(tmp_path, variables)


def test_a_file_that_is_not_toml_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="line 2"):
        load(write(tmp_path, "auth = 'none'\nport = = 1\n"), {})


@pytest.mark.parametrize("host", [ANYWHERE, "::", "10.0.0.1", "example", ""])
@pytest.mark.parametrize("auth", ["auto", "none"])
def test_a_public_address_without_tokens_is_refused(tmp_path: Path, host: str, auth: str) -> None:
    with pytest.raises(BadConfig, match="WATERSHIP_SECRET"):
        load(tmp_path, {"WATERSHIP_HTTP_HOST": host, "WATERSHIP_AUTH": auth})


def test_none_stays_refused_on_a_public_address_though_there_is_a_secret(tmp_path: Path) -> None:
    with pytest.raises(BadConfig):
        load(
            tmp_path,
            {"WATERSHIP_HTTP_HOST": ANYWHERE, "WATERSHIP_AUTH": "none", "WATERSHIP_SECRET": SECRET},
        )


def test_a_public_address_with_a_secret_asks_for_tokens(tmp_path: Path) -> None:
    config = load(tmp_path, {"WATERSHIP_HTTP_HOST": ANYWHERE, "WATERSHIP_SECRET": SECRET})
    assert not config.open


def test_token_without_a_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="no secret"):
        load(tmp_path, {"WATERSHIP_AUTH": "token"})


def test_a_secret_comes_from_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n", encoding="utf-8")
    file.chmod(0o600)
    folder = write(tmp_path, 'secret_file = "secret"')
    assert load(folder, {}).secret == SECRET
    assert load(folder, {"WATERSHIP_SECRET": "other"}).secret == "other"
    file.chmod(0o644)
    with pytest.raises(BadConfig, match="chmod 600"):
        load(folder, {})
    file.unlink()
    with pytest.raises(BadConfig, match="cannot be read"):
        load(folder, {})


def test_settings_do_not_show_their_secret() -> None:
    config = Config(secret=SECRET)
    assert SECRET not in f"{config!r} {config}"


def test_models_have_quotas_by_name_in_the_file_and_in_a_variable(tmp_path: Path) -> None:
    folder = write(tmp_path, '[models."openai:gpt-5-mini"]\nconcurrency = 8\n')
    assert load(folder, {}).models == {"openai:gpt-5-mini": ModelSettings(concurrency=8)}
    given = {"WATERSHIP_MODELS": '{"*" = {requests_per_minute = 500}}'}
    assert load(folder, given).models == {"*": ModelSettings(requests_per_minute=500)}


@pytest.mark.parametrize("value", ["many", '{"*" = 8}', '{"*" = {concurency = 8}}'])
def test_a_quota_that_cannot_be_read_is_refused_with_its_place(tmp_path: Path, value: str) -> None:
    with pytest.raises(BadConfig, match="models"):
        load(tmp_path, {"WATERSHIP_MODELS": value})
    with pytest.raises(BadConfig, match="models"):
        load(write(tmp_path, '[models."*"]\nconcurency = 8\n'), {})
