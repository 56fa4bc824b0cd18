# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError


@pytest.fixture
def host(tmp_path) -> Host:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/a.conf").write_text("old\n")
    return Host(tmp_path)


@pytest.mark.parametrize("call", ["fsync", "fchmod", "fchown"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_failed_write_leaves_the_old_file_and_nothing_beside_it(host, monkeypatch, call, number):
    def fail(*_arguments):
        raise OSError(number, os.strerror(number))

    file = host.owned_file("/etc/a.conf")
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(HostError, match=rf"^/etc/a\.conf: cannot be written \({os.strerror(number)}\); the old file stands$"):
        file.replace("new\n")
    assert host.read("/etc/a.conf") == "old\n"
    assert host.names("/etc") == ["a.conf"]


def test_full_disk_leaves_the_old_file():
    """A real full disk: /dev/full stands for it, every write to it answers ENOSPC."""
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        Host("/dev").poke("/full", "x")


def test_file_is_created_with_its_directory_and_mode(host):
    host.owned_file("/etc/deep/er/b.conf").replace("x\n", mode=0o600)
    assert host.read("/etc/deep/er/b.conf") == "x\n"
    assert host.owned_file("/etc/deep/er/b.conf").mode == 0o600


def test_link_is_kept_and_its_target_replaced(host, tmp_path):
    (tmp_path / "etc/link.conf").symlink_to("a.conf")
    host.owned_file("/etc/link.conf").replace("new\n")
    assert (tmp_path / "etc/link.conf").is_symlink()
    assert host.read("/etc/a.conf") == "new\n"


@pytest.mark.parametrize("target", ["/dev/null", "nowhere"])
def test_masking_link_is_refused(host, tmp_path, target):
    (tmp_path / "etc/masked.conf").symlink_to(target)
    with pytest.raises(HostError, match=r"^/etc/masked\.conf: is a link to .*, which masks it; remove the link"):
        host.owned_file("/etc/masked.conf")


def test_removal_is_no_error_when_it_is_gone_already(host):
    file = host.owned_file("/etc/a.conf")
    file.replace(None)
    file.replace(None)
    assert host.read("/etc/a.conf") is None


def test_unknown_owner_is_named_and_nothing_is_written(host):
    with pytest.raises(HostError, match="owner nobody-here: no such user"):
        host.owned_file("/etc/a.conf").replace("new\n", owner="nobody-here")
    with pytest.raises(HostError, match="group nobody-here: no such group"):
        host.owned_file("/etc/a.conf").replace("new\n", group="nobody-here")
    assert host.read("/etc/a.conf") == "old\n"


def test_refusal_names_the_error_and_writes_nothing(host):
    assert host.refusal("/etc/a.conf") is None
    assert host.read("/etc/a.conf") == "old\n"
    assert host.refusal("/etc/none") == "ENOENT: No such file or directory"
    assert host.refusal("/etc") == "EISDIR: Is a directory"


def test_what_is_not_there_reads_as_nothing(host):
    assert host.read("/etc/a.conf/below") is None
    assert host.names("/none") == []
