virsh -q dumpxml --inactive web | sed -e "s,<interface type='network'>,<interface type='bridge'>," \
    -e "s,<source network='default'/>,<source bridge='br7'/>," >/root/bridge.xml
virsh -q define /root/bridge.xml
virsh -q start web 2>&1 || true
