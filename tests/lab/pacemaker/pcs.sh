# shellcheck shell=sh
# What the administrator types on the first node; $1 is the password of hacluster on both.
set -eu

pcs host auth node1 node2 -u hacluster -p "$1"
# a node that is silent for 1 s is lost (by default 3 s); of two nodes one that is left alone goes on; --force: in place of
# Debian's sample of a cluster
pcs cluster setup crane node1 node2 totem token=1000 --start --enable --wait=60 --force
# no device here that could cut a node's power
pcs property set stonith-enabled=false
# nodes that start look so long for one that leads already (by default 20 s); nothing starts before both have met
pcs property set dc-deadtime=2s
# the first failure moves the service (by default the millionth); it is forgiven after a while, for the other node's
# cranectld refuses to start while the lock is held; a node that is well again does not take the service back
pcs resource defaults update migration-threshold=1 failure-timeout=15s resource-stickiness=100
# In one group: together, in this order. The address first, so that a client is answered as soon as cranectld is ready:
# Pacemaker looks at a unit 2 s after it has started it, and goes on then.
pcs resource create address ocf:heartbeat:IPaddr2 ip=192.168.1.211 cidr_netmask=24 nic=ens33 \
    op monitor interval=1s timeout=5s --group crane
pcs resource create cranectld systemd:cranectld op monitor interval=1s timeout=5s --group crane --wait=60
