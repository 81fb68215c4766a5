ovs-vsctl -t 10 show
runs web
