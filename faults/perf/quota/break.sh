virsh -q dumpxml --inactive web | sed 's,<os>,<cputune><period>100000</period><quota>5000</quota></cputune><os>,' >/root/quota.xml
virsh -q define /root/quota.xml
virsh -q start web
sleep 5
