sed -e 's/<name>web/<name>data/' -e "s,<disk type='file',<disk type='block'," -e "s,type='qcow2'/>,type='raw'/>," \
    -e "s,<source file='[^']*'/>,<source dev='/dev/vg0/data'/>," /root/web.xml >/root/data.xml
virsh -q define /root/data.xml
lvchange -an vg0/data
virsh -q start data 2>&1 || true
