virsh -q dumpxml --inactive web | sed -e "s,<target dev='vda' bus='virtio'/>,<target dev='sda' bus='sata'/>," \
    -e "s,<model type='virtio'/>,<model type='rtl8139'/>," -e '/<address type=.pci/d' >/root/imported.xml
virsh -q define /root/imported.xml
virsh -q start web
