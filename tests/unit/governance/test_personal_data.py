"""What is found in text and what is not: a small corpus, counted."""

import pytest

from ripieno.governance.personal_data import KINDS, Finder

FOUND = [
    ("write to ada.lovelace+tickets@mail.example.co.uk, please", "EMAIL", "ada.lovelace+tickets@mail.example.co.uk"),
    ("<bob@example.org>", "EMAIL", "bob@example.org"),
    ("call +49 30 901820", "PHONE", "+49 30 901820"),
    ("call +4930901820 now", "PHONE", "+4930901820"),
    ("or (555) 010-9999 after six", "PHONE", "(555) 010-9999"),
    ("or 555-010-9999", "PHONE", "555-010-9999"),
    ("fax +1 (212) 555-0100.", "PHONE", "+1 (212) 555-0100"),
    ("IBAN DE89 3704 0044 0532 0130 00", "IBAN", "DE89 3704 0044 0532 0130 00"),
    ("GB82WEST12345698765432", "IBAN", "GB82WEST12345698765432"),
    ("NL91ABNA0417164300 is mine", "IBAN", "NL91ABNA0417164300"),
    ("card 4111 1111 1111 1111, please", "CARD", "4111 1111 1111 1111"),
    ("5555555555554444", "CARD", "5555555555554444"),
    ("amex 3782-822463-10005", "CARD", "3782-822463-10005"),
    ("6011111111111117 (Discover)", "CARD", "6011111111111117"),
    ("SSN 078-05-1120", "SSN", "078-05-1120"),
    ("key AKIAIOSFODNN7EXAMPLE", "KEY", "AKIAIOSFODNN7EXAMPLE"),
    ("ghp_" + "a1B2" * 9, "KEY", "ghp_" + "a1B2" * 9),
    ("OPENAI sk-proj-abcdefghijklmnopqrstuvwx", "KEY", "sk-proj-abcdefghijklmnopqrstuvwx"),
    ("xoxb-123456789012-abcdefghij", "KEY", "xoxb-123456789012-abcdefghij"),
    ("password: hunter2hunter2", "KEY", "hunter2hunter2"),
    ('{"api_key": "s3cr3t-value"}', "KEY", "s3cr3t-value"),
    ("postgres://app:pa55word@db/app", "KEY", "pa55word"),
    (
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlMTIz",
        "KEY",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlMTIz",
    ),
    (
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "KEY",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ),
    ("from 192.168.0.17 to", "IP", "192.168.0.17"),
    ("at 2001:db8::8a2e:370:7334", "IP", "2001:db8::8a2e:370:7334"),
]
NOT_FOUND = [
    "epoch 1764259200000 ms and 1764259200",
    "order 4111 1111 1111 1112 was shipped",
    "DE00 3704 0044 0532 0130 00",
    "version 1.2.3, build 10.15",
    "2026-11-27 16:44:03 UTC",
    "ratio 3.14159265358979",
    "user@localhost",
    "a mention of @example.org",
    "ref 2000 1234 5678 9010",
    "ISBN 978-3-16-148410-0",
    "000-12-3456",
    "commit 93fb1144d2e8a5a1b9c0",
    "0000 0000 0000 0000",
    "std::vector<int> a;",
    "the password is not here",
    "page 555-0100",
    "999.1.2.3",
    "run_01a21df40bef732397a47477680000c6",
]


@pytest.mark.parametrize(("text", "kind", "value"), FOUND)
def test_it_is_found(text: str, kind: str, value: str):
    assert [(one.kind, text[one.start : one.end]) for one in Finder(KINDS)(text)] == [(kind, value)]


@pytest.mark.parametrize("text", NOT_FOUND)
def test_it_is_nothing(text: str):
    assert [text[one.start : one.end] for one in Finder(KINDS)(text)] == []


def test_several_come_in_order_and_only_of_the_kinds_that_were_asked_for():
    text = "078-05-1120 bob@example.org 10.0.0.1"
    assert [one.kind for one in Finder()(text)] == ["SSN", "EMAIL"]
    assert [one.kind for one in Finder({"IP"})(text)] == ["IP"]


def test_it_keeps_up_with_much_text_of_any_kind():
    text = "write to ada@example.org or call +49 30 901820; " * 20_000
    assert len(Finder()(text)) == 40_000


def test_a_part_of_a_key_is_not_something_else():
    text = "password=bob@example.org"
    assert [one.kind for one in Finder()(text)] == ["KEY"]
