"""The wires: a bridge in the lab's network namespace, one namespace for each powered node, one for the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .lab import Lab
    from .machine import Machine

VIP, NETWORK_LENGTH, INTERFACE = "192.168.1.211", 24, "ens33"
CLIENT_ADDRESS = "192.168.1.50"


class Network:
    """Every change is one shell line of `ip` and `bridge`, some 10 ms."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def ip(self, *lines: str) -> None:
        self.lab.run(" && ".join(f"ip {line}" for line in lines))

    def bridge(self, *words: str) -> None:
        self.lab.run(["bridge", *words])

    def build(self) -> None:
        self.ip(
            "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            "link set br0 up",
            "netns add client",
        )
        self.plug("client", "client", "eth0", "02:00:00:00:01:50", CLIENT_ADDRESS)

    def plug(self, port: str, namespace: str, interface: str, mac: str, address: str) -> None:
        """A cable from the bridge's `port` to `interface` in a network namespace, with its address."""
        self.ip(
            f"link add {port} type veth peer name {interface} address {mac} netns {namespace}",
            f"link set {port} master br0 up",
            f"-n {namespace} addr add {address}/{NETWORK_LENGTH} dev {interface}",
            f"-n {namespace} link set {interface} up",
            f"-n {namespace} link set lo up",
        )

    def attach(self, node: Machine) -> None:
        """Gives a machine that is about to boot its network, in the state that its cables were left in."""
        self.detach(node)
        node.namespace = f"{node.name}-{node.boots}"
        self.ip(f"netns add {node.namespace}")
        self.plug(node.name, node.namespace, INTERFACE, node.mac, node.address)
        if node.isolated:
            self.isolate(node, True)
        if not node.cable:
            self.cable(node, False)

    def detach(self, node: Machine) -> None:
        """Takes a node's network away, addresses and all, whoever still holds its namespace."""
        if node.namespace:
            self.lab.run(["ip", "link", "del", node.name], check=False)
            self.lab.run(["ip", "netns", "del", node.namespace], check=False)
            node.namespace = ""

    def cable(self, node: Machine, plugged: bool) -> None:
        """Without the cable the node's interface is up but has no carrier, as on a real machine."""
        if node.namespace:  # else it is off: attach() comes back to this
            self.ip(f"link set {node.name} {'up' if plugged else 'down'}")

    def isolate(self, node: Machine, isolated: bool) -> None:
        """An isolated port reaches no other isolated port; the client's port never is."""
        if node.namespace:
            self.bridge("link", "set", "dev", node.name, "isolated", "on" if isolated else "off")
