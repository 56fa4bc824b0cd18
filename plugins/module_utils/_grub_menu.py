# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The menu in a grub.cfg: its entries, and the one that boots by default."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_OPENING = re.compile(r"""^\s*(menuentry|submenu)\s+(['"])(.*?)\2(.*)\{\s*$""")
_ID = re.compile(r"""(?:\$menuentry_id_option|--id[= ])\s*(['"]?)([^'"\s{]+)\1""")
_LINUX = re.compile(r"^(\s*linux(?:16|efi)?\s+)(\S+)[ \t]*(.*)$", re.MULTILINE)
_DEFAULT = re.compile(r"""^\s*set default="([^"]*)"\s*$""", re.MULTILINE)


@dataclass
class Entry:
    """One entry or submenu. path: ids from the top, joined by ">", as GRUB_DEFAULT and grub-reboot take it."""

    title: str
    id: str
    path: str
    text: str = ""
    children: list[Entry] = field(default_factory=list)

    @property
    def kernel(self) -> str:
        found = _LINUX.search(self.text)
        return found[2] if found else ""

    @property
    def release(self) -> str | None:
        """The release of its kernel, None where the file's name does not tell."""
        return self.kernel.rpartition("vmlinuz-")[2] or None

    @property
    def arguments(self) -> str:
        found = _LINUX.search(self.text)
        return found[3].strip() if found else ""

    def renamed(self, title: str, new_id: str, arguments: str) -> str:
        """The same entry under another name and with other arguments."""
        body = self.text.split("\n", 1)[1]
        return f"menuentry '{title}' --id {new_id} {{\n" + _LINUX.sub(lambda line: f"{line[1]}{line[2]} {arguments}", body, count=1)


class Menu:
    """items: what stands at the top level, in its order, submenus included."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.items: list[Entry] = []
        open_blocks: list[Entry | None] = []
        lines: list[str] = []
        for line in text.split("\n"):
            opening = _OPENING.match(line)
            parents = [block for block in open_blocks if block is not None]
            if opening:
                named = _ID.search(opening[4])
                own = named[2] if named else opening[3]
                entry = Entry(opening[3], own, f"{parents[-1].path}>{own}" if parents else own)
                (parents[-1].children if parents else self.items).append(entry)
                open_blocks.append(entry)
                lines = [line]
                continue
            lines.append(line)
            if line.rstrip().endswith("{"):
                open_blocks.append(None)
            elif line.strip() == "}" and open_blocks:
                closed = open_blocks.pop()
                if closed is not None and not closed.children:
                    closed.text = "\n".join(lines)

    def entries(self) -> list[Entry]:
        """Everything that boots a Linux kernel, in the order of the menu."""
        found = []
        for item in self.items:
            found += [one for one in (item, *item.children) if one.kernel]
        return found

    def default(self, saved: str | None) -> Entry | None:
        """What boots when nobody chooses. saved: saved_entry of the environment block."""
        stated = [value for value in _DEFAULT.findall(self._text) if "next_entry" not in value and value != "hft-previous"]
        value = stated[-1] if stated else "0"
        return self.find((saved or "0") if "saved_entry" in value else value)

    def find(self, path: str) -> Entry | None:
        """The entry that GRUB takes for an index, a title or an id, or several joined by ">"; the first one when there is none such."""
        level, found = self.items, None
        for part in path.split(">"):
            if part.isdigit():
                named = level[int(part)] if int(part) < len(level) else None
            else:
                named = next((one for one in level if part in (one.id, one.title)), None)
            if named is None:
                break
            found, level = named, named.children
        while found is not None and found.children:
            found = found.children[0]
        return found or next(iter(self.entries()), None)


def environment(text: str | None) -> dict[str, str]:
    """The variables in a grubenv file."""
    lines = [line.split("=", 1) for line in (text or "").split("\n") if "=" in line and not line.startswith("#")]
    return dict(lines)
