# SPDX-License-Identifier: GPL-3.0-or-later
"""deploy/cloud with its own inventory on an emulator of EC2: what a check tells, what is there after a run, what is refused, the way back.

The emulator boots nothing. One container has the address of the first host, so that somebody answers where hosts are asked.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import emulator
import pytest
import yaml

from lab import hosts, ssh_keys
from lab.inventory import Host, Network
from lab.paths import ROOT, STATE

_FOLDER = ROOT / "deploy" / "cloud"
_INVENTORY = _FOLDER / "inventory"
_TREE: dict[str, Any] = yaml.safe_load((_INVENTORY / "hosts.yml").read_text())["all"]
_HOSTS: dict[str, dict[str, Any]] = _TREE["hosts"]
_CLOUD: dict[str, Any] = yaml.safe_load((_INVENTORY / "group_vars" / "all" / "cloud.yml").read_text())
_NAME = _CLOUD["cloud_name"]
_FIRST, _SECOND = "hft-staging-01", "hft-staging-02"
_NETWORK = Network("hft_ops_cloud", _CLOUD["cloud_subnets"]["a"]["cidr"])
_CONTROL, _ENGINES, _WATCHER = "10.9.0.0/24", ("10.20.1.11/32", "10.20.2.11/32"), "10.20.2.31/32"
_DATABASE = "10.20.1.21/32"
_TOO_LARGE = (3, 4, "0.0.0.0/0")
_OF_ALL = {_TOO_LARGE, (22, 22, _CONTROL), (9100, 9100, _WATCHER), (9256, 9256, _WATCHER)}
_OF_MEMBERS = {*((5432, 5432, address) for address in (*_ENGINES, _DATABASE)), (9187, 9187, _WATCHER)}
_OF_ENGINES = {*((8080, 8080, source) for source in (_CONTROL, *_ENGINES)), (9464, 9464, _WATCHER)}
_REACHED = {
    "hft-staging-01": _OF_ALL | _OF_MEMBERS | _OF_ENGINES,
    "hft-staging-02": _OF_ALL | _OF_MEMBERS | _OF_ENGINES,
    "hft-staging-db": _OF_ALL | _OF_MEMBERS,
    "hft-staging-mon": {*_OF_ALL, *((port, port, _CONTROL) for port in (3000, 9090, 9093)), *((9001, 9002, one) for one in _ENGINES)},
}

_OURS = [{"Name": "tag:hft.ops", "Values": [_NAME]}]

Play = Callable[..., subprocess.CompletedProcess[str]]
Everything = dict[str, set[Any]]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with emulator.serving() as url:
        yield url


@pytest.fixture(scope="module")
def ec2(address: str) -> Any:
    return emulator.client("ec2", address)


@pytest.fixture(scope="module")
def ansible(address: str, tmp_path_factory: pytest.TempPathFactory) -> Play:
    folder = tmp_path_factory.mktemp("cloud")

    def run(program: str, *argv: str) -> subprocess.CompletedProcess[str]:
        return emulator.ansible(program, *argv, cwd=folder, AWS_ENDPOINT_URL=address, AWS_ACCESS_KEY_ID=emulator.ACCESS_KEY,
                                AWS_SECRET_ACCESS_KEY=emulator.SECRET_KEY, ANSIBLE_PIPELINING="1")

    return run


@pytest.fixture(scope="module")
def play(ec2: Any, ansible: Play) -> Play:
    usual = {"cloud_image": _image(ec2), "cloud_public_key": f"{ssh_keys.control()}.pub", "ansible_user": "deploy",
             "ansible_ssh_private_key_file": str(ssh_keys.control()), "cloud_answer_s": 5,
             "ansible_ssh_common_args": f"-o UserKnownHostsFile={STATE}/ssh/known_hosts -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes"}

    def run(name: str, *argv: str, **more: object) -> subprocess.CompletedProcess[str]:
        return ansible("ansible-playbook", str((_FOLDER / name).with_suffix(".yml")), "-i", str(_INVENTORY / "hosts.yml"), *argv,
                       "-e", json.dumps({**usual, **more}))

    return run


@pytest.fixture(scope="module")
def before(ec2: Any) -> Everything:
    """What was there before: all that AWS gives an account, and somebody's host, rules and key under a name that we use too."""
    ec2.create_security_group(GroupName=_FIRST, Description="another network's")
    ec2.create_key_pair(KeyName="another")
    ec2.run_instances(ImageId=_image(ec2), MinCount=1, MaxCount=1, TagSpecifications=[
        {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": _FIRST}, {"Key": "hft.ops", "Value": "another"}]}])
    return _everything(ec2)


@pytest.fixture(scope="module")
def made(before: Everything, play: Play) -> None:
    _changed(play("cloud"))


@pytest.fixture
def first_host() -> Iterator[Callable[[str], None]]:
    """A host that answers where the first one should; it runs a script as root."""
    hosts.up(_NETWORK, [Host(_FIRST, _HOSTS[_FIRST]["ansible_host"], "host")])
    yield lambda script: subprocess.run(["docker", "exec", _FIRST, "sh", "-c", script], check=True, capture_output=True) and None
    hosts.down(_NETWORK)


def _changed(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """How much a run changed, by host; it succeeded."""
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    return {host: int(count) for host, count in re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", done.stdout, re.MULTILINE)}


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stdout.replace("\n", " ").split())


def _image(ec2: Any) -> str:
    return ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"][0]["ImageId"]


def _alive(ec2: Any, **which: object) -> list[dict[str, Any]]:
    found = [one for reservation in ec2.describe_instances(**which)["Reservations"] for one in reservation["Instances"]]
    return [one for one in found if one["State"]["Name"] != "terminated"]


def _instances(ec2: Any) -> dict[str, dict[str, Any]]:
    return {next(tag["Value"] for tag in one["Tags"] if tag["Key"] == "Name"): one for one in _alive(ec2, Filters=_OURS)}


def _groups(ec2: Any) -> dict[str, dict[str, Any]]:
    return {one["GroupName"]: one for one in ec2.describe_security_groups(Filters=_OURS)["SecurityGroups"]}


def _everything(ec2: Any) -> Everything:
    """What a check and a refused run leave as it is, ours or not."""
    parts = {"SecurityGroups": (ec2.describe_security_groups, "GroupId"), "Vpcs": (ec2.describe_vpcs, "VpcId"),
             "Subnets": (ec2.describe_subnets, "SubnetId"), "RouteTables": (ec2.describe_route_tables, "RouteTableId"),
             "KeyPairs": (ec2.describe_key_pairs, "KeyName"), "Volumes": (ec2.describe_volumes, "VolumeId")}
    return {"Instances": {(one["InstanceId"], one["InstanceType"], one["State"]["Name"]) for one in _alive(ec2)},
            **{part: {one[name] for one in describe()[part]} for part, (describe, name) in parts.items()}}


def _rules(permissions: list[dict[str, Any]]) -> set[tuple[int | None, int | None, str]]:
    return {(rule.get("FromPort"), rule.get("ToPort"), one["CidrIp"]) for rule in permissions for one in rule["IpRanges"]}


def test_a_check_tells_of_every_host_and_makes_nothing(before: Everything, play: Play, ec2: Any) -> None:
    done = play("cloud", "--check")
    assert set(_changed(done)) == set(_HOSTS)
    assert all(f"{name}: {host['cloud_type']} at {host['ansible_host']}" in _said(done) for name, host in _HOSTS.items())
    assert _everything(ec2) == before


def test_hosts_are_as_the_inventory_says(made: None, ec2: Any) -> None:
    instances = _instances(ec2)
    assert set(instances) == set(_HOSTS)
    for name, host in _HOSTS.items():
        one = instances[name]
        assert (one["PrivateIpAddress"], one["InstanceType"], one["KeyName"]) == (host["ansible_host"], host["cloud_type"], _NAME)
        assert one["Placement"]["AvailabilityZone"] == _CLOUD["cloud_subnets"][host["cloud_subnet"]]["zone"]
        assert [group["GroupName"] for group in one["SecurityGroups"]] == [name]
        assert not one.get("PublicIpAddress")
        assert one["MetadataOptions"]["HttpTokens"] == "required"
        protected = ec2.describe_instance_attribute(InstanceId=one["InstanceId"], Attribute="disableApiTermination")
        assert protected["DisableApiTermination"]["Value"] is True


def test_disks_are_encrypted_and_as_large_as_asked(made: None, ec2: Any) -> None:
    of_hosts = [{"Name": "attachment.instance-id", "Values": [one["InstanceId"] for one in _instances(ec2).values()]}]
    volumes = ec2.describe_volumes(Filters=of_hosts)["Volumes"]
    assert sorted(volume["Size"] for volume in volumes) == sorted(host["cloud_disk_gb"] for host in _HOSTS.values())
    assert all(volume["Encrypted"] for volume in volumes)


@pytest.mark.parametrize("host", _HOSTS)
def test_a_host_is_reached_by_those_whom_its_firewall_names(made: None, ec2: Any, host: str) -> None:
    assert _rules(_groups(ec2)[host]["IpPermissions"]) == _REACHED[host]
    assert _rules(_groups(ec2)[host]["IpPermissionsEgress"]) == {(None, None, "0.0.0.0/0")}


def test_a_second_run_and_a_check_change_nothing(made: None, play: Play, ec2: Any) -> None:
    before = _everything(ec2)
    assert _changed(play("cloud")) == dict.fromkeys(_HOSTS, 0)
    assert _changed(play("cloud", "--check", "--limit", _FIRST)) == {_FIRST: 0}
    assert _everything(ec2) == before


def test_aws_tells_the_groups_and_addresses_that_the_inventory_has(made: None, ansible: Play) -> None:
    wished, found = (json.loads(ansible("ansible-inventory", "-i", str(_INVENTORY / name), "--list").stdout, object_hook=_plain)
                     for name in ("hosts.yml", "hosts.aws_ec2.yml"))

    def groups(listed: dict[str, Any]) -> dict[str, set[str]]:
        return {name: _members(listed, name) for name in listed if name not in {"_meta", "all", "aws_ec2"}}

    assert groups(found) == groups(wished)
    for name, host in _HOSTS.items():
        assert found["_meta"]["hostvars"][name]["ansible_host"] == host["ansible_host"]


def _plain(one: dict[str, Any]) -> Any:
    """ansible-inventory marks what comes from outside."""
    return one.get("__ansible_unsafe", one)


def _members(listed: dict[str, Any], group: str) -> set[str]:
    own = listed.get(group, {})
    return set(own.get("hosts", [])).union(*(_members(listed, child) for child in own.get("children", [])))


def test_rules_follow_the_firewall_and_ways_out_lead_where_they_are_told(made: None, play: Play, ec2: Any) -> None:
    network = ec2.describe_vpcs(Filters=_OURS)["Vpcs"][0]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=network)
    told = {"cloud_routes": [{"dest": _CONTROL, "gateway_id": gateway}],
            "firewall_services": [{"name": "ssh", "ports": ["22"], "sources": [_CONTROL]}],
            "firewall_outgoing": [{"name": "names", "protocol": "udp", "ports": ["53"]},
                                  {"name": "venue", "ports": ["9001-9002"], "destinations": ["10.20.2.31"]}]}
    _changed(play("cloud", "--limit", _FIRST, **told))
    assert _rules(_groups(ec2)[_FIRST]["IpPermissions"]) == {_TOO_LARGE, (22, 22, _CONTROL)}
    assert _rules(_groups(ec2)[_FIRST]["IpPermissionsEgress"]) == {(53, 53, "0.0.0.0/0"), (9001, 9002, _WATCHER)}
    tables = ec2.describe_route_tables(Filters=[{"Name": "tag:Name", "Values": [_NAME]}])["RouteTables"]
    ways = {(route["DestinationCidrBlock"], route["GatewayId"]) for table in tables for route in table["Routes"]}
    assert ways == {(_CLOUD["cloud_network"], "local"), (_CONTROL, gateway)}
    assert _changed(play("cloud", "--limit", _FIRST, **told)) == {_FIRST: 0}
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=network)


@pytest.mark.parametrize(("wrong", "said"), [
    ({"firewall_services": [{"name": "ssh", "ports": ["22"]}]}, "services that each name their sources"),
    ({"firewall_services": [{"name": "ssh", "ports": ["22"], "sources": ["0.0.0.0/0"]}]}, "no wider than a /8"),
    ({"firewall_services": []}, "found none"),
    ({"cloud_subnet": "c"}, "expected one of a, b, and an address in it"),
    ({"cloud_type": "m6i.xlarge"}, "is c6i.xlarge at 10.20.1.11, the inventory says m6i.xlarge at 10.20.1.11"),
], ids=["no source", "everybody", "no service", "no subnet", "another type"])
def test_wrong_data_changes_nothing(made: None, play: Play, ec2: Any, wrong: dict[str, object], said: str) -> None:
    before = _everything(ec2)
    done = play("cloud", **wrong)
    assert done.returncode != 0
    assert said in _said(done)
    assert _everything(ec2) == before


def test_nothing_is_removed_by_a_slip(made: None, play: Play, ec2: Any) -> None:
    before = _everything(ec2)
    assert f"say -e cloud_confirmed={_NAME}" in _said(play("remove"))
    assert _everything(ec2) == before


def test_a_host_of_which_nobody_knows_whether_it_trades_stays(made: None, play: Play, ec2: Any) -> None:
    before = _everything(ec2)
    done = play("remove", cloud_confirmed=_NAME)
    assert done.returncode != 0
    assert "does not answer; say how it is known that nothing trades there" in _said(done)
    assert _everything(ec2) == before


def test_a_host_that_may_trade_stays_and_one_that_does_not_goes_alone(made: None, play: Play, ec2: Any,
                                                                       first_host: Callable[[str], None]) -> None:
    first_host("systemd-run --unit hft_system sleep infinity")
    before = _everything(ec2)
    done = play("remove", "--limit", _FIRST, cloud_confirmed=_NAME, cloud_silent="it is known")
    assert done.returncode != 0
    assert "hft_system.service is active and cannot be asked whether it trades" in _said(done)
    assert _everything(ec2) == before

    first_host("systemctl stop hft_system")
    assert _changed(play("remove", "--check", "--limit", _FIRST, cloud_confirmed=_NAME))[_FIRST] > 0
    assert _everything(ec2) == before
    _changed(play("remove", "--limit", _FIRST, cloud_confirmed=_NAME))
    assert set(_instances(ec2)) == set(_groups(ec2)) == set(_HOSTS) - {_FIRST}
    assert ec2.describe_vpcs(Filters=_OURS)["Vpcs"]


def test_a_network_with_a_host_that_the_inventory_lacks_stays(made: None, play: Play, ec2: Any) -> None:
    name, somebody = next((name, one["InstanceId"]) for name, one in _instances(ec2).items())
    ec2.create_tags(Resources=[somebody], Tags=[{"Key": "Name", "Value": "forgotten"}])
    done = play("remove", cloud_confirmed=_NAME, cloud_silent="it is known")
    assert done.returncode != 0
    assert "the inventory does not have forgotten" in _said(done)
    ec2.create_tags(Resources=[somebody], Tags=[{"Key": "Name", "Value": name}])


def test_a_host_that_was_fenced_is_seen_to_be_off_and_stays_off(made: None, play: Play, ec2: Any, tmp_path: Path) -> None:
    fence = tmp_path / "fence.yml"
    fence.write_text(yaml.safe_dump([{"hosts": _SECOND, "gather_facts": False, "roles": ["hft.ops.fence"]}]))
    _changed(play(str(fence)))
    assert _instances(ec2)[_SECOND]["State"]["Name"] == "stopped"
    assert _changed(play("cloud", "--limit", _SECOND)) == {_SECOND: 0}
    assert _instances(ec2)[_SECOND]["State"]["Name"] == "stopped"


def test_all_of_it_goes_when_it_is_said_and_nothing_else(made: None, before: Everything, play: Play, ec2: Any) -> None:
    told = {"cloud_confirmed": _NAME, "cloud_silent": "an emulator boots nothing"}
    _changed(play("remove", **told))
    assert _everything(ec2) == before
    assert _changed(play("remove", **told)) == dict.fromkeys(_HOSTS, 0)
