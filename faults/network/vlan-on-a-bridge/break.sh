virsh -q dumpxml --inactive web | sed -e "s,<interface type='network'>,<interface type='bridge'><vlan><tag id='42'/></vlan>," \
    -e "s,<source network='default'/>,<source bridge='br0'/>," >/root/vlan.xml
virsh -q define /root/vlan.xml 2>&1 || true
virsh -q start web 2>&1 || true
