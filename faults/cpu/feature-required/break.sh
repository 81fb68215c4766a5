virsh -q dumpxml --inactive web | sed "s,<cpu mode='host-passthrough'[^>]*/>,<cpu mode='host-model'><feature policy='require' name='avx512f'/></cpu>," >/root/cpu.xml
virsh -q define /root/cpu.xml
virsh -q start web 2>&1 || true
