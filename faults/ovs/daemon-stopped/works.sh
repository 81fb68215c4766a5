ovs-vsctl -t 10 show
ovs-appctl -T 10 version
