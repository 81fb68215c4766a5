ip link set enp0s28f0 master br0 up
ip link set br0 mtu 9000
