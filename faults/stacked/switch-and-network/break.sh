systemctl -q stop openvswitch-switch ovs-vswitchd ovsdb-server
virsh -q net-destroy default
