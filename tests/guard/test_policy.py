"""Policies: what they decide, how they are written, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provenance.errors import InputError, ParameterError
from provenance.guard.policy import Facts, Policy, Rule
from provenance.guard.policy_file import PRESETS, load_policy, policy_of

TOML = """
extends = "copyleft"
name = "ours"
allow = ["github.com/our-org/*"]
budget_seconds = 1

[licenses]
partners = ["LicenseRef-partner-*", "MPL-2.0"]

[[rules]]
name = "partner code"
action = "redact"
license_any = ["partners"]
min_length = 120
"""
YAML = """
extends: copyleft
name: ours
allow: [github.com/our-org/*]
budget_seconds: 1
licenses:
  partners: [LicenseRef-partner-*, MPL-2.0]
rules:
  - name: partner code
    action: redact
    license_any: [partners]
    min_length: 120
"""


def test_a_file_says_the_same_in_toml_and_yaml(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(TOML)
    (tmp_path / "p.yaml").write_text(YAML)
    policy = load_policy(tmp_path / "p.toml")
    assert policy == load_policy(str(tmp_path / "p.yaml"))
    assert policy.name == "ours" and policy.on_error == "closed" and policy.verify
    assert [rule.name for rule in policy.rules] == ["partner code", "withdrawn", "copyleft"]


@pytest.mark.parametrize(
    ("facts", "action", "rule"),
    [
        (Facts(200, kind="exact", licenses=("LicenseRef-partner-7",)), "redact", "partner code"),
        (Facts(200, kind="exact", licenses=("MIT", "MPL-2.0")), "redact", "partner code"),
        (Facts(127, kind="exact", licenses=("LGPL-2.1-only",)), "block", "copyleft"),
        (Facts(119, kind="exact", licenses=("MPL-2.0",)), "annotate", "default"),
        (Facts(200, kind="layout", licenses=("GPL-3.0-only",)), "block", "copyleft"),
        (Facts(200, kind="layout", licenses=("GPL-3.0-only OR MIT",)), "annotate", "default"),
        (Facts(200, kind="exact", licenses=("GPL-3.0-only",), common=True), "annotate", "default"),
        (Facts(200, kind="unverified"), "observe", "verify"),
        (Facts(200, kind="withdrawn"), "block", "withdrawn"),
        (Facts(200, kind="exact", licenses=("MPL-2.0",), repositories=("GitHub.com/Our-Org/x",)), "observe", "allow"),
        (
            Facts(200, kind="exact", licenses=("MPL-2.0",), repositories=("github.com/our-org/x", "b/c")),
            "redact",
            "partner code",
        ),
    ],
)
def test_the_first_rule_that_holds_decides(tmp_path: Path, facts: Facts, action: str, rule: str) -> None:
    (tmp_path / "p.toml").write_text(TOML)
    choice = load_policy(tmp_path / "p.toml").choose(facts)
    assert (choice.action, choice.rule) == (action, rule) and str(facts.length) in choice.reason


@pytest.mark.parametrize(
    ("rule", "facts", "holds"),
    [
        (Rule("r", "stop", license_all=("permissive",)), Facts(1, licenses=("MIT", "ISC")), True),
        (Rule("r", "stop", license_all=("permissive",)), Facts(1, licenses=("MIT", "GPL-2.0-only")), False),
        (Rule("r", "stop", license_all=("permissive",)), Facts(1), False),
        (Rule("r", "stop", license_any=("GPL-*",)), Facts(1, licenses=("MIT AND GPL-2.0-only",)), True),
        (Rule("r", "stop", min_coverage=0.5), Facts(1, coverage=0.4), False),
        (Rule("r", "stop", min_coverage=0.5), Facts(1, coverage=0.5), True),
        (Rule("r", "stop", common=True), Facts(1), False),
        (Rule("r", "stop", languages=("python",)), Facts(1, language="python"), True),
        (Rule("r", "stop", place="code"), Facts(1, place="prose"), False),
        (Rule("r", "stop", repositories=("*/evil",)), Facts(1, repositories=("a/evil",)), True),
        (Rule("r", "stop", repositories=("*/evil",)), Facts(1, repositories=("a/good",)), False),
    ],
)
def test_a_rule_holds_when_all_its_conditions_do(rule: Rule, facts: Facts, holds: bool) -> None:
    policy = Policy("p", (rule,), on_error="open")
    assert (policy.choose(facts).action == "stop") == holds


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"min_char": 3}, "did you mean 'min_chars'"),
        ({"default": "stop"}, "on_error"),
        ({"default": "halt", "on_error": "open"}, "halt"),
        ({"min_chars": 0}, "min_chars is 0"),
        ({"min_chars": True}, "a whole number"),
        ({"min_chars": 96.5}, "a whole number"),
        ({"verify": "yes"}, "true or false"),
        ({"allow": "github.com/x"}, "a list of strings"),
        ({"allow": [3]}, "strings alone"),
        ({"licenses": {"a": "MIT"}}, "no list"),
        ({"budget_seconds": 0}, "budget_seconds"),
        ({"prompt": "never"}, "prompt is 'never'"),
        ({"extends": "lenient"}, "lenient"),
        ({"rules": {"a": 1}}, "no list of tables"),
        ({"rules": [{}]}, "has no action"),
        ({"rules": [{"action": "stop"}]}, "on_error"),
        ({"rules": [{"action": "annotate", "kinds": ["edited"]}]}, "edited"),
        ({"rules": [{"action": "annotate", "min_coverage": 2}]}, "min_coverage"),
        ({"rules": [{"action": "annotate", "license_any": ["copyleft"]}]}, "no class of licences"),
        ({"rules": [{"action": "annotate", "when": 1}]}, "'when' is not known"),
    ],
)
def test_what_means_nothing_is_refused_by_name(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        policy_of(values)


@pytest.mark.parametrize("name", ["p.toml", "p.yaml"])
@pytest.mark.parametrize("text", ["[", "{", "- a\n- b", "a: [", "x = "])
def test_a_file_that_is_none_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ParameterError, match=r"p\.(toml|yaml)"):
        load_policy(tmp_path / name)


def test_what_cannot_be_found_is_said(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="observe, annotate, copyleft, strict"):
        load_policy("lenient")
    with pytest.raises(InputError, match="cannot be read"):
        load_policy(tmp_path / "none.toml")


def test_presets_that_keep_text_back_say_what_a_failure_means() -> None:
    assert {name: (policy.blocks, policy.on_error) for name, policy in PRESETS.items()} == {
        "observe": (False, None),
        "annotate": (False, None),
        "copyleft": (True, "closed"),
        "strict": (True, "closed"),
    }
