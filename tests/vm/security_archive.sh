#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A security archive on the host itself, with an update for each case that matters. Old versions are installed first:
#   hft-case-daemon   a service that goes on running the replaced program    hft-case-tool     a program
#   linux-hft-case    a kernel, held by default                              hft-case-feature  newer outside the security archive alone
set -eu
archive() { # folder label: what apt reads, for all packages in it
    cd "$1"
    for file in *.deb; do
        dpkg-deb --field "$file"
        printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$file" "$(stat -c %s "$file")" "$(sha256sum < "$file" | cut -d' ' -f1)"
    done > Packages
    printf 'Origin: Debian\nLabel: %s\nSuite: stable\nVersion: 13\nCodename: case\nDate: %s\nSHA256:\n %s %s Packages\n' \
        "$2" "$(date -Ru)" "$(sha256sum < Packages | cut -d' ' -f1)" "$(stat -c %s Packages)" > Release
    echo "deb [trusted=yes] file:$1 ./" > "/etc/apt/sources.list.d/$2.list"
}
package() { # folder name version
    tree=$(mktemp -d)
    mkdir -p "$tree/DEBIAN" "$tree/usr/bin" "$tree/usr/lib/systemd/system"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.invalid>\nDescription: a case\n' "$2" "$3" \
        > "$tree/DEBIAN/control"
    cp /usr/bin/sleep "$tree/usr/bin/$2"
    if [ "$2" = hft-case-daemon ]; then
        printf '[Service]\nExecStart=/usr/bin/%s infinity\n[Install]\nWantedBy=multi-user.target\n' "$2" > "$tree/usr/lib/systemd/system/$2.service"
    fi
    dpkg-deb --root-owner-group --build "$tree" "$1/$2_$3.deb" > /dev/null
    rm -r "$tree"
}
mkdir -p /srv/old /srv/security /srv/plain
for name in hft-case-daemon hft-case-tool linux-hft-case hft-case-feature; do package /srv/old "$name" 1.0; done
for name in hft-case-daemon hft-case-tool linux-hft-case; do package /srv/security "$name" 1.1; done
package /srv/plain hft-case-feature 1.1
dpkg --install /srv/old/*.deb > /dev/null
systemctl enable --quiet --now hft-case-daemon.service
archive /srv/security Debian-Security
archive /srv/plain Debian
