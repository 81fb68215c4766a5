virsh -q dumpxml --inactive web | sed "s,<serial type,<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm><serial type," >/root/tpm.xml
virsh -q define /root/tpm.xml
mv /usr/bin/swtpm /usr/bin/swtpm.away
systemctl restart libvirtd
virsh -q start web 2>&1 || true
