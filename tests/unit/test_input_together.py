"""A whole config.yaml that is wrong, or that earlier options hide: everything said in one go, and nothing written."""

from __future__ import annotations

import re

import pytest

from crane_keepalived import cli

from .conftest import ARGUMENTS, GOOD, Folder, keepalived


def test_everything_wrong_is_said_in_one_go(folder: Folder) -> None:
    config = "CraneBaseDir: x\nKeepalived:\n  VirtualRouterId: 256\n  Pirority: 3\n"
    code, lines = folder.setup(config, "--role", "main", "--vip", "a", "--priority", "0", "--interface", "a/b")
    assert code == 2
    assert {line.partition(": ")[0] for line in lines} == {
        "--role",
        "CraneCtldForeground",
        "Keepalived.CraneSharedBaseDir",
        "CraneBaseDir",
        "Keepalived.Pirority",
        "--vip",
        "--interface",
        "Keepalived.VirtualRouterId",
        "--priority",
    }


@pytest.mark.parametrize("config", ["a: [1\nb: 2\n", "a: b: c\n", "\tx: 1\n", "a: *b\n"])
def test_no_yaml(folder: Folder, config: str) -> None:
    code, (line,) = folder.setup(config, *ARGUMENTS, "--vip", "10.0.0.1")
    assert code == 2
    # what is wrong with the line, PyYAML says in words of its own, with libyaml in others
    assert re.fullmatch(r"is not YAML: line \d: .+; mend that line, or the one before it", line), line


@pytest.mark.parametrize("config", ["- a\n- b\n", "just text\n"])
def test_yaml_without_keys(folder: Folder, config: str) -> None:
    code, (line,) = folder.setup(config, *ARGUMENTS, "--vip", "10.0.0.1")
    assert (code, line) == (2, "holds no keys; write it like `Key: value`")


def test_an_empty_file_lacks_its_section(folder: Folder) -> None:
    code, lines = folder.setup("# nothing\n", *ARGUMENTS, "--vip", "10.0.0.1")
    assert (code, [line.partition(":")[0] for line in lines]) == (2, ["Keepalived", "CraneCtldForeground"])


def test_bytes_that_are_no_text(folder: Folder) -> None:
    folder.setup("")
    folder.config.write_bytes(b"CraneBaseDir: /var\xff\xfe\n")
    code = cli.setup_main(["--root", str(folder.root), "--config", str(folder.config), *ARGUMENTS, "--vip", "10.0.0.1"])
    (line,) = folder.capsys.readouterr().err.splitlines()[-1:]
    assert code == 2
    assert line.startswith(f"crane-ha-setup: error: {folder.config}: is not YAML: ")


def test_no_file_and_no_folder(folder: Folder) -> None:
    missing = folder.config.with_name("missing.yaml")
    code = cli.setup_main(["--root", str(missing), "--config", str(missing), *ARGUMENTS, "--vip", "10.0.0.1"])
    assert code == 2
    assert folder.capsys.readouterr().err.splitlines() == [
        f"crane-ha-setup: error: --root: there is no folder {missing}; make it first",
        f"crane-ha-setup: error: {missing}: there is no such file; name CraneSched's configuration with --config",
    ]


def test_options_that_are_none(folder: Folder) -> None:
    code, lines = folder.setup(GOOD, "--rol", "master")
    assert code == 2
    assert lines == ["command line: unrecognized arguments: --rol master; see crane-ha-setup --help"]


def test_a_broken_node_file(folder: Folder) -> None:
    folder.setup(GOOD, *ARGUMENTS)
    path = folder.root / "etc/crane-keepalived/node.yaml"
    path.write_text("Role: chief\nClusterId: 123\nPrioritty: 3\n")
    code, lines = folder.setup(GOOD, *ARGUMENTS)
    assert code == 2
    assert [line.partition(" ")[0] for line in lines] == [f"{path}:", f"{path}:", f"{path}:"]
    assert lines[2] == f"{path}: Prioritty: is no key of crane-keepalived; did you mean Priority?"


def test_an_option_beats_what_was_given_before_and_that_beats_the_file(folder: Folder) -> None:
    config = keepalived("Priority: 3")
    for arguments, expected in (
        ((), 3),
        (("--priority", "4"), 4),
        ((), 4),
        (("--priority", "5"), 5),
        (("--forget",), 3),
    ):
        code, _ = folder.setup(config, *ARGUMENTS, *arguments)
        assert code == 0
        assert f"    priority {expected}\n" in folder.read("etc/keepalived/keepalived.conf")


def test_what_is_hidden_by_an_earlier_option_is_said(folder: Folder) -> None:
    folder.setup(keepalived("Priority: 3"), *ARGUMENTS, "--priority", "4")
    _, lines = folder.setup(keepalived("Priority: 3"))
    assert lines == [
        "warning: Keepalived.Priority: is not used: 4 was given on this node by --priority; "
        "--forget drops what was given by option"
    ]


def test_equal_bases_are_a_warning(folder: Folder) -> None:
    code, lines = folder.setup(GOOD.replace("/nfs/crane", "/var/crane/"), *ARGUMENTS)
    assert (code, lines) == (
        0,
        [
            "warning: Keepalived.CraneSharedBaseDir: is CraneBaseDir too (/var/crane): the nodes write into each "
            "other's logs and alive file; make CraneBaseDir a local folder"
        ],
    )


def test_ipv6_on_a_daemon_that_listens_on_ipv4_alone_is_a_warning(folder: Folder) -> None:
    code, lines = folder.setup(GOOD, *ARGUMENTS, "--vip", "fd00::1")
    assert (code, lines) == (
        0,
        ["warning: CraneCtldListenAddr: 0.0.0.0 is IPv4 alone: cranectld would not answer at fd00::1; set it to '::'"],
    )


@pytest.mark.parametrize(
    ("password", "mode", "said"),
    [
        ("1111\n", 0o644, "can be read by others than root; chmod 600 {path}"),
        ("123456789\n", 0o600, "is no VRRP password; write 1 to 8 letters, digits or any of . _ + = : , / -"),
        ("a b\n", 0o600, "is no VRRP password; write 1 to 8 letters, digits or any of . _ + = : , / -"),
        ("\n", 0o600, "is no VRRP password; write 1 to 8 letters, digits or any of . _ + = : , / -"),
        (None, 0, "No such file or directory; make the file, with the password in its first line"),
    ],
)
def test_the_password_file(folder: Folder, password: str, mode: int, said: str) -> None:
    path = folder.root / "pass"
    if password is not None:
        path.write_text(password)
        path.chmod(mode)
    code, lines = folder.setup(GOOD, *ARGUMENTS, "--vrrp-version", "2", "--auth-pass-file", "/pass")
    assert code == 2
    assert len(lines) == 1
    assert lines[0].endswith(said.format(path=path))


@pytest.mark.parametrize("number", ["1e2", "+3", "3 ", "\u0663", "0x10", "-1"])
def test_whole_numbers_are_digits(folder: Folder, number: str) -> None:
    code, lines = folder.setup(GOOD, *ARGUMENTS, f"--router-id={number}")
    assert (code, lines) == (
        2,
        [f"--router-id: {number.strip()} is not a whole number from 1 to 255; choose 1 to 255".replace("  ", " ")],
    )
