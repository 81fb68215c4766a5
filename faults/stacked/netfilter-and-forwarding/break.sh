modprobe br_netfilter
sysctl -q net.bridge.bridge-nf-call-iptables=1
iptables -P FORWARD DROP
iptables -N DOCKER-USER
iptables -A FORWARD -j DOCKER-USER
iptables -A DOCKER-USER -j RETURN
for end in a b; do
    ip netns add $end
    ip link add port-$end type veth peer name eth0 netns $end
    ip link set port-$end master br0 up
    ip -n $end link set eth0 up
done
ip -n a address add 10.20.0.11/24 dev eth0
ip -n b address add 10.20.0.12/24 dev eth0
sysctl -q net.ipv4.ip_forward=0
