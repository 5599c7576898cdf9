"""Which files of check.d, master.d, backup.d and fault.d run: root's own, however strangely named."""

from __future__ import annotations

import os

import pytest

from .node import Node

CHECK = "check_and_failover.sh"


def test_a_check_with_blanks_and_signs_in_its_name_runs(node: Node) -> None:
    names = ["check.d/ with blanks ", "check.d/*", "check.d/-n", "check.d/a;exit 1", "check.d/$(note no)", "check.d/ü"]
    for name in names:
        node.executable(name)
    node.holds_the_lock()
    assert node.run(CHECK) == 0
    assert sorted(node.notes()) == sorted(names)


def test_a_failing_check_with_blanks_in_its_name_fails(node: Node) -> None:
    node.executable("check.d/with  two blanks", "exit 1")
    node.holds_the_lock()
    assert node.run(CHECK) == 1
    assert "check.d/with  two blanks: failed" in node.log()


@pytest.mark.parametrize(
    ("mode", "owner", "group"),
    [(0o775, 0, 0), (0o757, 0, 0), (0o777, 0, 0), (0o755, 1001, 0), (0o755, 65534, 0), (0o755, 1001, 1001)],
)
def test_what_others_could_have_written_does_not_run(node: Node, mode: int, owner: int, group: int) -> None:
    for name in ("plain", "with two  blanks", "-delete"):
        node.executable(f"check.d/{name}", "note ran; exit 1", mode=mode, owner=owner, group=group)
    node.executable("check.d/zz-next")
    node.holds_the_lock()
    assert node.run(CHECK) == 0
    assert node.notes() == ["check.d/zz-next"]
    for name in ("plain", "with two  blanks", "-delete"):
        assert f"check.d/{name}: not run" in node.log()


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o500, 0o555])
def test_roots_own_executable_runs_whatever_group_it_has(node: Node, mode: int) -> None:
    node.executable("check.d/mine", mode=mode, group=1001)
    node.holds_the_lock()
    assert node.run(CHECK) == 0
    assert node.notes() == ["check.d/mine"]


def test_a_link_is_judged_by_the_file_behind_it(node: Node) -> None:
    (node.root / "opt").mkdir()
    good = node.executable("../../opt/good", "note good")
    bad = node.executable("../../opt/bad", "note bad; exit 1", owner=1001)
    for program in (good, bad):
        (node.etc / "check.d" / program.name).symlink_to(f"/opt/{program.name}")
    node.holds_the_lock()
    assert node.run(CHECK) == 0
    assert node.notes() == ["good"]
    assert "check.d/bad: not run" in node.log()


def test_a_link_into_a_folder_that_others_write_to_does_not_run(node: Node) -> None:
    (node.root / "opt").mkdir(mode=0o777)
    (node.root / "opt").chmod(0o777)
    node.executable("../../opt/good", "note good")
    (node.etc / "check.d/good").symlink_to("/opt/good")
    node.holds_the_lock()
    assert node.run(CHECK) == 0
    assert node.notes() == []
    assert "check.d/good: not run" in node.log()


def test_what_is_refused_is_said_once(node: Node) -> None:
    node.executable("check.d/planted", mode=0o777)
    node.holds_the_lock()
    for _ in range(3):
        assert node.run(CHECK) == 0
    assert node.log().count("check.d/planted: not run") == 1


def test_copies_that_editors_and_rpm_leave_behind_do_not_run(node: Node) -> None:
    for name in ("disk~", "disk.bak", "disk.rpmnew", "disk.rpmorig", "disk.rpmsave"):
        node.executable(f"check.d/{name}", "note ran; exit 1")
    node.holds_the_lock()
    assert node.run(CHECK) == 0
    assert node.notes() == []


def test_limits_that_an_older_set_up_did_not_write_have_defaults(node: Node) -> None:
    settings = node.etc / "settings"
    kept = [line for line in settings.read_text().splitlines() if "TIMEOUT" not in line]
    settings.write_text("\n".join(kept) + "\n")
    node.executable("check.d/passes", "note ran")
    node.holds_the_lock()
    assert node.run(CHECK) == 0
    assert node.notes() == ["ran"]


def test_what_is_no_executable_file_is_passed_over_in_silence(node: Node) -> None:
    node.executable("check.d/README", "note ran; exit 1", mode=0o644)
    node.executable("check.d/.hidden", "note ran; exit 1")
    (node.etc / "check.d/folder").mkdir()
    os.mkfifo(node.etc / "check.d/fifo", 0o755)
    node.holds_the_lock()
    assert node.run(CHECK) == 0
    assert node.calls() == []


def test_what_cannot_be_looked_at_is_named_once(node: Node) -> None:
    # as SELinux has it with a link, and with a file that was moved here with another label
    (node.etc / "check.d/link-to-nothing").symlink_to("/nowhere")
    node.holds_the_lock()
    for _ in range(2):
        assert node.run(CHECK) == 0
    assert node.log().count("check.d/link-to-nothing: not run, for it cannot be looked at") == 1


def test_a_check_of_no_known_format_fails(node: Node) -> None:
    node.executable("check.d/no-interpreter").write_text("#!/no/such/interpreter\n")
    node.holds_the_lock()
    assert node.run(CHECK) == 1
