"""What the packages say of themselves, hold, and do when they come and go."""

from __future__ import annotations

import re
import stat
from typing import Any

import pytest
import rpm
from packages import TREE

LIBEXEC = "/usr/libexec/crane-keepalived"
PP = "/usr/share/selinux/packages/targeted/crane_keepalived.pp.bz2"
MODULES = "/usr/share/crane-keepalived/crane_keepalived"
GHOSTS = {
    "/etc/crane-keepalived/node.yaml",
    "/etc/crane-keepalived/settings",
    "/etc/systemd/system/cranectld.service.d/50-crane-keepalived.conf",
    "/etc/systemd/system/keepalived.service.d/50-crane-keepalived.conf",
    "/etc/systemd/system/crane-keepalived-gate.service.d/50-crane-keepalived.conf",
    "/etc/tmpfiles.d/crane-keepalived.conf",
}


def files(header: Any) -> dict[str, Any]:
    return {file.name: file for file in rpm.files(header)}


def requires(header: Any) -> set[str]:
    return {dependency.DNEVR()[2:] for dependency in header.dsFromHeader("requirename")}


@pytest.mark.parametrize("package", ["main", "selinux", "source"])
def test_names_version_licence_and_url(package: str, request: pytest.FixtureRequest) -> None:
    header = request.getfixturevalue(package)
    assert (header["version"], header["license"]) == ("0.1.0", "AGPL-3.0-or-later")
    assert header["url"].startswith("https://")
    assert header["summary"]
    assert header["description"]


@pytest.mark.parametrize("package", ["main", "selinux"])
def test_is_for_every_architecture(package: str, request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue(package)["arch"] == "noarch"


def test_changelog_begins_with_this_release(main: Any) -> None:
    newest = main["changelogname"][0]
    assert newest.endswith(f"> - {main['version']}-{main['release'].partition('.')[0]}")


def test_is_built_for_no_host_and_no_moment(main: Any) -> None:
    assert main["buildhost"] == "reproducible"
    assert all(file.mtime <= main["buildtime"] for file in files(main).values())


def test_requires_what_its_scripts_run(main: Any) -> None:
    wanted = {
        "coreutils",
        "findutils",
        "iproute",
        "keepalived",
        "python3 >= 3.9",
        "python3-jinja2 >= 2.11",
        "python3-pyyaml >= 5.4",
        "systemd",
        "util-linux",
        "/bin/sh",
        "/usr/bin/python3",
    }
    found = {name for name in requires(main) if not name.startswith(("rpmlib(", "config("))}
    condition = {name for name in found if " if " in name}
    assert found - condition == wanted
    same_release = f"crane-keepalived-selinux = {main['version']}-{main['release']}"
    assert condition == {f"({same_release} if selinux-policy-targeted)"}


def test_selinux_package_requires_the_tools_of_its_scriptlets(selinux: Any) -> None:
    assert {"policycoreutils", "libselinux-utils", "selinux-policy", "coreutils"} <= requires(selinux)


def test_build_needs_hold_in_every_build_root_of_the_red_hat_family(source: Any) -> None:
    needs = {name for name in requires(source) if not name.startswith("rpmlib(")}
    assert "(selinux-policy-devel if rpm-build)" in needs
    assert all(need.endswith(" if rpm-build)") for need in needs)


def test_everything_belongs_to_root(main: Any, selinux: Any) -> None:
    for file in [*files(main).values(), *files(selinux).values()]:
        assert (file.user, file.group) == ("root", "root"), file.name


def test_nothing_is_writable_by_others_or_special(main: Any, selinux: Any) -> None:
    for file in [*files(main).values(), *files(selinux).values()]:
        assert stat.S_ISREG(file.mode) or stat.S_ISDIR(file.mode), file.name
        assert not file.mode & 0o7022, file.name


@pytest.mark.parametrize("name", ["crane-ha", "crane-ha-setup"])
def test_has_the_commands(main: Any, name: str) -> None:
    assert stat.S_IMODE(files(main)[f"/usr/sbin/{name}"].mode) == 0o755
    assert (TREE / "scripts" / name).read_text().startswith("#!/usr/bin/python3 -IB\n")


def test_every_script_is_there_and_runs_unless_it_is_sourced(main: Any) -> None:
    there = {
        file.name.rpartition("/")[2]: stat.S_IMODE(file.mode)
        for file in files(main).values()
        if file.name.startswith(f"{LIBEXEC}/")
    }
    in_tree = {path.name for path in (TREE / "scripts").iterdir()} - {"crane-ha", "crane-ha-setup"}
    assert there == {name: 0o644 if name == "node-state.sh" else 0o755 for name in in_tree}


def test_modules_and_templates_are_those_of_the_tree_without_byte_code(main: Any) -> None:
    source = TREE / "src/crane_keepalived"
    in_tree = {str(path.relative_to(source)) for kind in ("*.py", "templates/*.j2") for path in source.glob(kind)}
    there = {
        name[len(MODULES) + 1 :]: file
        for name, file in files(main).items()
        if name.startswith(f"{MODULES}/") and stat.S_ISREG(file.mode)
    }
    assert set(there) == in_tree
    assert all(stat.S_IMODE(file.mode) == 0o644 for file in there.values())


def test_owns_what_setup_renders_but_not_the_configuration_of_keepalived(main: Any) -> None:
    ghosts = {name for name, file in files(main).items() if file.fflags & rpm.RPMFILE_GHOST}
    assert ghosts == GHOSTS
    assert not any(name.startswith("/etc/keepalived") for name in files(main))
    for name in GHOSTS:
        assert any(file == name.rpartition("/")[0] for file in files(main)) or name.startswith("/etc/tmpfiles.d/")


def test_folders_for_checks_and_hooks_are_roots_and_generations_are_secret(main: Any) -> None:
    there = files(main)
    for folder in ("check.d", "master.d", "backup.d", "fault.d"):
        assert stat.S_IMODE(there[f"/etc/crane-keepalived/{folder}"].mode) == 0o755
    assert stat.S_IMODE(there["/var/lib/crane-keepalived"].mode) == 0o700


def test_manual_licence_and_readme(main: Any, selinux: Any) -> None:
    there = files(main)
    for page in ("man8/crane-ha-setup.8", "man8/crane-ha.8", "man7/crane-keepalived.7"):
        assert any(name.startswith(f"/usr/share/man/{page}") for name in there), page
    assert any(f.fflags & rpm.RPMFILE_LICENSE and name.endswith("/LICENSE") for name, f in there.items())
    assert any(f.fflags & rpm.RPMFILE_LICENSE for f in files(selinux).values())
    documents = {name.rpartition("/")[2] for name, f in there.items() if f.fflags & rpm.RPMFILE_DOC}
    assert {"README.md", "CHANGELOG.md"} <= documents


def test_selinux_package_holds_the_module_and_its_interface(selinux: Any) -> None:
    there = files(selinux)
    assert there["/usr/share/selinux/packages/targeted/crane_keepalived.pp.bz2"].size > 1000
    assert "/usr/share/selinux/devel/include/distributed/crane_keepalived.if" in there
    store = [f for name, f in there.items() if name.endswith("/targeted/active/modules/200/crane_keepalived")]
    assert [bool(f.fflags & rpm.RPMFILE_GHOST) for f in store] == [True]


def test_last_removal_undoes_the_set_up_and_cannot_fail(main: Any) -> None:
    script = main["preun"]
    assert "[ $1 -eq 0 ]" in script
    assert "/usr/sbin/crane-ha-setup --remove --yes </dev/null" in script
    assert script.rstrip().endswith("\n:")


def test_upgrade_restarts_nothing(main: Any) -> None:
    for when in ("prein", "postin", "postun"):
        assert not main[when]
    assert "systemctl" not in main["posttrans"]
    assert main["posttrans"].rstrip().endswith("\n:")


def test_the_gate_has_a_service_that_nobody_enables(main: Any) -> None:
    unit = (TREE / "systemd/crane-keepalived-gate.service").read_text()
    assert stat.S_IMODE(files(main)["/usr/lib/systemd/system/crane-keepalived-gate.service"].mode) == 0o644
    assert "[Install]" not in unit
    assert "ExecStart=/usr/bin/systemd-tmpfiles --create /etc/tmpfiles.d/crane-keepalived.conf\n" in unit


def test_selinux_scriptlets_load_relabel_and_verify(selinux: Any) -> None:
    install = f"semodule -n -X 200 -i {PP}"
    assert f"if ! {install}; then" in selinux["postin"]
    assert f"run: semodule -X 200 -i {PP}" in selinux["postin"]
    assert "semodule -n -X 200 -r crane_keepalived ||" in selinux["postun"]
    assert "restorecon -R -i " in selinux["postun"]
    assert "restorecon -R -i /usr/libexec/crane-keepalived /etc/crane-keepalived " in selinux["posttrans"]
    assert re.search(r"crane_keepalived_exec_t.*>/sys/fs/selinux/context", selinux["posttrans"])
    assert f"run: semodule -X 200 -i {PP}" in selinux["posttrans"]


def test_no_scriptlet_stops_a_transaction(main: Any, selinux: Any) -> None:
    for header in (main, selinux):
        for when in ("prein", "postin", "preun", "postun", "posttrans"):
            assert not header[when] or header[when].rstrip().endswith("\n:"), when


@pytest.mark.parametrize("package", ["main", "selinux", "source"])
def test_no_macro_stayed_unexpanded(package: str, request: pytest.FixtureRequest) -> None:
    header = request.getfixturevalue(package)
    for scriptlet in ("prein", "postin", "preun", "postun", "posttrans"):
        assert not re.search(r"%\{|%[a-z]", header[scriptlet] or ""), scriptlet
    assert not any("%" in name for name in requires(header))
