systemctl -q stop openvswitch-switch ovs-vswitchd ovsdb-server
