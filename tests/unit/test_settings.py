"""Where a setting comes from, and what is refused."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ripieno import settings
from ripieno.domain.errors import Invalid
from ripieno.domain.interrupts import OnExpiry


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(**environ: str) -> list[str]:
    with pytest.raises(Invalid) as error:
        settings.load(environ=environ)
    return [problem.detail for problem in error.value.problems] or [error.value.detail]


def test_without_anything_the_defaults_hold():
    loaded = settings.load(environ={})
    assert (loaded.host, loaded.port, loaded.default_model) == ("127.0.0.1", 8000, "offline")


def test_flags_beat_variables_beat_the_file(tmp_path: Path):
    (tmp_path / "ripieno.toml").write_text("port = 1\n[worker]\nslots = 1\npoll_seconds = 9\n")
    environ = {"RIPIENO_PORT": "2", "RIPIENO_WORKER__SLOTS": "2"}
    loaded = settings.load({"port": 3, "host": None}, environ)
    assert (loaded.port, loaded.worker.slots, loaded.worker.poll_seconds) == (3, 2, 9)


def test_familiar_variables_are_understood_and_weaker_than_our_own():
    environ = {"OPENAI_API_KEY": "k", "OPENAI_MODEL": "m", "RIPIENO_OPENAI__MODEL": "n", "OPENAI_BASE_URL": ""}
    loaded = settings.load(environ=environ)
    assert loaded.openai.api_key == SecretStr("k")
    assert loaded.default_model == "openai:n"
    assert loaded.openai.base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("environ", "model", "names"),
    [
        ({}, "offline", []),
        ({"ANTHROPIC_API_KEY": "k"}, "anthropic:claude-sonnet-5-5", ["anthropic"]),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_MODEL": "m"}, "anthropic:m", ["anthropic"]),
        ({"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}, "anthropic:claude-sonnet-5-5", ["anthropic", "openai"]),
        ({"OLLAMA_MODEL": "qwen3", "OPENAI_API_KEY": "k"}, "openai:gpt-4o-mini", ["openai", "ollama"]),
        ({"OLLAMA_MODEL": "qwen3"}, "ollama:qwen3", ["ollama"]),
        (
            {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "OLLAMA_MODEL": "qwen3"},
            "bedrock:global.anthropic.claude-sonnet-4-6",
            ["bedrock", "ollama"],
        ),
        ({"AWS_BEARER_TOKEN_BEDROCK": "k", "OPENAI_API_KEY": "k"}, "openai:gpt-4o-mini", ["openai", "bedrock"]),
        ({"AWS_PROFILE": "work", "BEDROCK_MODEL": "amazon.nova"}, "bedrock:amazon.nova", ["bedrock"]),
        ({"AWS_ACCESS_KEY_ID": "k", "AWS_REGION": "eu-west-1"}, "offline", []),
        ({"OLLAMA_BASE_URL": "http://gpu:11434"}, "ollama:llama3.2", ["ollama"]),
        ({"ANTHROPIC_MODEL": "m", "OPENAI_MODEL": "m"}, "offline", []),
    ],
)
def test_the_first_provider_with_credentials_has_the_default_model(
    environ: dict[str, str], model: str, names: list[str]
):
    loaded = settings.load(environ=environ)
    assert (loaded.default_model, list(loaded.providers)) == (model, names)


def test_roles_and_brokers_need_a_shared_database():
    assert refused(RIPIENO_ROLE="worker") == [
        "role worker needs a database that processes share (database_url); SQLite is one process"
    ]
    assert refused(RIPIENO_DISPATCH_URL="redis://127.0.0.1")[0].startswith("dispatch_url needs a database")
    loaded = settings.load(environ={"RIPIENO_ROLE": "worker", "RIPIENO_DATABASE_URL": "postgresql://u:hunter2@h/d"})
    assert loaded.role == "worker"
    assert "hunter2" not in repr(loaded)


def test_the_newer_of_two_names_of_a_region_goes_first():
    loaded = settings.load(environ={"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-west-2"})
    assert loaded.bedrock.region == "eu-west-1"


def test_what_is_not_installed_is_no_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "botocore", None)
    loaded = settings.load(environ={"AWS_BEARER_TOKEN_BEDROCK": "k"})
    assert (loaded.default_model, list(loaded.providers)) == ("offline", ["bedrock"])


def test_another_server_needs_no_key():
    assert settings.load(environ={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}).default_model == "openai:gpt-4o-mini"


def test_a_named_default_model_wins():
    assert settings.load({"models.default": "offline"}, {"OPENAI_API_KEY": "k"}).default_model == "offline"


def test_lists_are_toml_arrays():
    loaded = settings.load(environ={"RIPIENO_TOOLS__EGRESS__ALLOW_DOMAINS": '["a.org", ".b.org"]'})
    assert loaded.tools.egress.allow_domains == ("a.org", ".b.org")
    assert "valid tuple" in refused(RIPIENO_ALLOWED_HOSTS='["a')[0]


def test_unknown_names_are_refused_with_the_nearest_known_one(tmp_path: Path):
    assert refused(RIPIENO_WORKER__SLOT="3") == ["unknown setting worker.slot; did you mean worker.slots?"]
    assert refused(RIPIENO_ZZZZ="3") == ["unknown setting zzzz"]
    (tmp_path / "ripieno.toml").write_text("[tools]\nrisk = 'low'\n")
    assert refused()[0].startswith("unknown setting tools.risk")


def test_bad_values_are_named():
    assert refused(RIPIENO_PORT="x")[0].startswith("port: ")
    assert refused(RIPIENO_WORKER__SLOTS="0", RIPIENO_LOG__LEVEL="loud")[1].startswith("log.level: ")


def test_a_value_cannot_have_something_below_it():
    assert refused(RIPIENO_PORT="1", RIPIENO_PORT__X="2") == [
        "setting port is a single value; port.x cannot be set below it"
    ]


def test_a_broken_file_is_refused(tmp_path: Path):
    (tmp_path / "ripieno.toml").write_text("port = \n")
    assert "not valid TOML" in refused()[0]


def test_another_file_can_be_named(tmp_path: Path):
    (tmp_path / "other.toml").write_text("port = 7\n")
    assert settings.load(environ={"RIPIENO_TOML": str(tmp_path / "other.toml")}).port == 7


def test_a_file_that_was_named_must_be_there(tmp_path: Path):
    assert refused(RIPIENO_TOML="/missing.toml") == ["there is no file /missing.toml, which RIPIENO_TOML names"]
    assert "cannot be read" in refused(RIPIENO_TOML=str(tmp_path))[0]


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_variable_counts_as_none(tmp_path: Path, empty: str):
    (tmp_path / "ripieno.toml").write_text("port = 7\n")
    environ = dict.fromkeys(["RIPIENO_TOML", "RIPIENO_PORT", "RIPIENO_AUTH__ADMIN_KEY", "OPENAI_BASE_URL"], empty)
    loaded = settings.load(environ=environ)
    assert (loaded.port, loaded.auth.admin_key, loaded.default_model) == (7, None, "offline")


@pytest.mark.parametrize("key", ["", "       ", "1234567"])
def test_a_key_that_is_easily_guessed_is_refused(key: str):
    with pytest.raises(Invalid) as error:
        settings.load({"auth.admin_key": key}, {})
    [problem] = error.value.problems
    assert problem.detail == "auth.admin_key: a key needs at least 8 characters; leave it out to have none"


def test_the_development_mode_has_two_names():
    assert settings.load(environ={"RIPIENO_AUTH__MODE": "dev"}).auth.mode == "auto"
    assert refused(RIPIENO_AUTH__MODE="open")[0].startswith("auth.mode: ")


def test_secrets_do_not_show():
    assert "hunter22" not in repr(settings.load({"auth.admin_key": "hunter22"}, {}))


def test_every_name_is_listed():
    names = list(settings.names())
    assert "tools.egress.max_bytes" in names
    assert len(names) == len(set(names))


def test_people_have_keys_of_their_own():
    environ = {"RIPIENO_AUTH__KEYS__DANA__KEY": "dana-secret", "RIPIENO_AUTH__KEYS__DANA__ROLES": '["finance"]'}
    auth = settings.load(environ=environ).auth
    assert (auth.has_key, auth.keys["dana"].roles, auth.keys["dana"].tenant) == (True, ("finance",), "default")
    assert "dana-secret" not in repr(auth)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"local": {"key": "long-enough"}}, "the name local is taken"),
        ({"dana": {"key": "same-secret"}, "otto": {"key": "same-secret"}}, "two have the same key"),
        ({"dana": {"key": "short"}}, "a key needs at least 8 characters"),
        ({"Dana!": {"key": "long-enough"}}, "should match pattern"),
    ],
)
def test_people_must_be_told_apart(keys: dict[str, Any], why: str):
    with pytest.raises(Invalid) as error:
        settings.load({"auth.keys": keys}, {})
    assert why in error.value.problems[0].detail


def test_how_approvals_are_given():
    environ = {"RIPIENO_APPROVALS__REQUIRED": "2", "RIPIENO_APPROVALS__ON_EXPIRY": "cancel"}
    terms = settings.load(environ=environ).approvals.terms()
    assert (terms.required, terms.on_expiry, terms.escalate_to) == (2, OnExpiry.CANCEL, ("role:admin",))


def test_budgets_of_all_tenants_come_from_the_settings():
    environ = {"RIPIENO_BUDGETS__MONTH__USD": "200", "RIPIENO_BUDGETS__MONTH__ON_EXCEEDED": "ask"}
    loaded = settings.load(environ=environ)
    (budget,) = loaded.budgets.of_tenants()
    assert (budget.scope, budget.window, budget.on_exceeded) == ("tenant", "month", "ask")
    assert budget.caps.shown() == {"usd": 200}
    assert list(settings.load(environ={}).budgets.of_tenants()) == []
