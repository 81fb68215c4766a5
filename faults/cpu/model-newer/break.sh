virsh -q dumpxml --inactive web | sed "s,<cpu mode='host-passthrough'[^>]*/>,<cpu mode='custom'><model>GraniteRapids</model></cpu>," >/root/cpu.xml
virsh -q define /root/cpu.xml 2>&1 || true
virsh -q start web 2>&1 || true
