virsh -q dumpxml --inactive web | sed -e "s,<interface type='network'>,<interface type='bridge'>," \
    -e "s,<source network='default'/>,<source bridge='ovsbr0'/>," >/root/ovs.xml
virsh -q define /root/ovs.xml
virsh -q start web 2>&1 || true
